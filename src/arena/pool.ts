/**
 * Fixed-size object pools: what kmalloc and the page allocator are to KVM.
 *
 * Index 0 is never handed out (it is the null reference). Fresh objects come from a high-water mark, freed ones
 * from a list threaded through their first word. The pool's own lock is not a visible operation: kmalloc is
 * thread-safe and its order cannot be observed by the model.
 */
import type { Arena } from './arena.ts';
import { DESC_WORDS, HEADER_WORDS, POOL_WORDS } from './layout.ts';

export const POOL_HEADERS = 0;
export const POOL_TABLES = 1;
export const POOL_DESCS = 2;
export const POOL_SHADOW_INFO = 3;
export const POOL_NAMES = [
  'shadow-page headers',
  'page tables',
  'rmap descriptors',
  'shadowed translations',
] as const;

const HIGH = 0;
const FREE = 1;
const LIVE = 2;
const LOCK = 3;

/** One pool over a region of the arena. */
export class Pool {
  readonly name: string;
  readonly capacity: number;
  private readonly arena: Arena;
  private readonly state: number;
  private readonly base: number;
  private readonly objectWords: number;

  constructor(arena: Arena, kind: number) {
    const { layout } = arena;
    const entries = 1 << layout.dims.tableBits;
    this.arena = arena;
    this.name = POOL_NAMES[kind]!;
    this.state = layout.pools + kind * POOL_WORDS;
    this.base = [layout.headers, layout.tables, layout.descs, layout.shadowInfo][kind]!;
    this.objectWords = [HEADER_WORDS, 2 * entries, DESC_WORDS, entries][kind]!;
    const { dims } = layout;
    this.capacity = [dims.tables, dims.tables, dims.descs, dims.shadowInfos][kind]!;
  }

  /** Takes an object, zeroed, or returns 0 if the pool is empty. */
  alloc(): number {
    const { arena, state } = this;
    const { w } = arena;
    this.lock();
    let index = w[state + FREE]!;
    const recycled = index !== 0;
    if (recycled) arena.put(state + FREE, w[this.base + index * this.objectWords]!);
    else if (w[state + HIGH]! < this.capacity) {
      index = w[state + HIGH]! + 1;
      arena.put(state + HIGH, index);
    }
    if (index !== 0) arena.put(state + LIVE, w[state + LIVE]! + 1);
    this.unlock();
    if (recycled) {
      const at = this.base + index * this.objectWords;
      arena.touchRange(at, this.objectWords);
      w.fill(0, at, at + this.objectWords);
    }
    return index;
  }

  /**
   * Takes up to `count` objects, zeroed, and puts their indices into the words from `word` on: the same ones in the same order as
   * `alloc` would hand out. Returns how many there were.
   */
  allocInto(word: number, count: number): number {
    const { arena, state } = this;
    const { w } = arena;
    let got = 0;
    while (got < count) {
      if (w[state + FREE] !== 0) {
        const index = this.alloc();
        if (index !== 0) arena.put(word + got++, index);
        continue;
      }
      this.lock();
      const high = w[state + HIGH]!;
      // Others may have freed some since; they are for the next time.
      const fresh = Math.min(count - got, this.capacity - high);
      for (let i = 1; i <= fresh; i++) arena.put(word + got++, high + i);
      if (fresh > 0) {
        arena.put(state + HIGH, high + fresh);
        arena.put(state + LIVE, w[state + LIVE]! + fresh);
      }
      this.unlock();
      if (fresh === 0 && w[state + FREE] === 0) break;
    }
    return got;
  }

  free(index: number): void {
    const { arena, state } = this;
    this.lock();
    arena.put(this.base + index * this.objectWords, arena.w[state + FREE]!);
    arena.put(state + FREE, index);
    arena.put(state + LIVE, arena.w[state + LIVE]! - 1);
    this.unlock();
  }

  /** Objects handed out and not returned. */
  get live(): number {
    return this.arena.w[this.state + LIVE]!;
  }

  /** Highest index ever handed out. */
  get highWater(): number {
    return this.arena.w[this.state + HIGH]!;
  }

  private lock(): void {
    if (this.arena.tracked) return;
    while (Atomics.compareExchange(this.arena.w, this.state + LOCK, 0, 1) !== 0) {
      // Held for a few stores by a running thread; spinning is right.
    }
  }

  private unlock(): void {
    if (!this.arena.tracked) Atomics.store(this.arena.w, this.state + LOCK, 0);
  }
}
