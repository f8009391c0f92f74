/**
 * Fixed-size object pools: what kmalloc and the page allocator are to KVM.
 *
 * Index 0 is never handed out (it is the null reference). Fresh objects come from a mark that moves up, freed ones from a list
 * threaded through their first word. Once the machine has booted, each actor has a list and a range of fresh objects of its
 * own, as each CPU has in the kernel's allocators: which object somebody gets is then a matter of what that actor took and
 * gave back, and nobody can tell the order of two allocations of different actors. Only an actor that has used up its share
 * takes from others. The pool's lock is not a visible operation.
 */
import type { Arena } from './arena.ts';
import {
  DESC_WORDS,
  HEADER_WORDS,
  POOL_HEAD_WORDS as HEAD_WORDS,
  POOL_SHARE_WORDS as SHARE_WORDS,
  poolWords,
} from './layout.ts';

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

/** Words of a pool's state: the lock, fresh objects handed out before the pool was divided, whether it was. */
const LOCK = 0;
const BOOTED = 1;
const DIVIDED = 2;
/** An actor's share: fresh objects taken from its range, its list, objects taken less those given back, length of the list. */
const TAKEN = 0;
const FREE = 1;
const LIVE = 2;
const LISTED = 3;

/** One pool over a region of the arena. */
export class Pool {
  readonly name: string;
  readonly capacity: number;
  private readonly arena: Arena;
  private readonly state: number;
  private readonly base: number;
  private readonly objectWords: number;
  private readonly actors: number;
  /** The last object taken was in use before. */
  private recycled = false;

  constructor(arena: Arena, kind: number) {
    const { layout } = arena;
    const { dims } = layout;
    const entries = 1 << dims.tableBits;
    this.arena = arena;
    this.name = POOL_NAMES[kind]!;
    this.actors = dims.actors;
    this.state = layout.pools + kind * poolWords(dims.actors);
    this.base = [layout.headers, layout.tables, layout.descs, layout.shadowInfo][kind]!;
    this.objectWords = [HEADER_WORDS, 2 * entries, DESC_WORDS, entries][kind]!;
    this.capacity = [dims.tables, dims.tables, dims.descs, dims.shadowInfos][kind]!;
  }

  /** From now on each actor has a share of its own of what was never handed out. */
  divide(): void {
    this.arena.put(this.state + DIVIDED, 1);
  }

  /** Takes an object, zeroed, or returns 0 if the pool is empty. */
  alloc(): number {
    const { arena } = this;
    this.lock();
    const index = this.take(arena.running);
    const { recycled } = this;
    if (index !== 0) this.count(arena.running, 1);
    this.unlock();
    if (index !== 0 && recycled) {
      const at = this.base + index * this.objectWords;
      arena.touchRange(at, this.objectWords);
      arena.w.fill(0, at, at + this.objectWords);
    }
    return index;
  }

  /**
   * Takes up to `count` objects, zeroed, and puts their indices into the words from `word` on: the same ones in the same order as
   * `alloc` would hand out. Returns how many there were.
   */
  allocInto(word: number, count: number): number {
    const { arena } = this;
    const actor = arena.running;
    let got = 0;
    while (got < count) {
      this.lock();
      const fresh = arena.w[this.share(actor) + FREE] === 0 ? Math.min(count - got, this.fresh(actor)) : 0;
      if (fresh > 0) {
        const first = this.takeFresh(actor, fresh);
        for (let i = 0; i < fresh; i++) arena.put(word + got++, first + i);
        this.count(actor, fresh);
      }
      this.unlock();
      if (fresh > 0) continue;
      const index = this.alloc();
      if (index === 0) break;
      arena.put(word + got++, index);
    }
    return got;
  }

  free(index: number): void {
    const { arena } = this;
    const share = this.share(arena.running);
    this.lock();
    arena.put(this.base + index * this.objectWords, arena.w[share + FREE]!);
    arena.put(share + FREE, index);
    arena.put(share + LISTED, arena.w[share + LISTED]! + 1);
    this.count(arena.running, -1);
    this.unlock();
  }

  /** Objects handed out and not returned. */
  get live(): number {
    let sum = 0;
    for (let actor = 0; actor < this.actors; actor++) sum += this.arena.w[this.share(actor) + LIVE]!;
    return sum;
  }

  /** Objects that the actor which runs can take without looking at what others have. */
  get ownRoom(): number {
    const { running, w } = this.arena;
    return w[this.share(running) + LISTED]! + this.fresh(running);
  }

  /** Highest index ever handed out. */
  get highWater(): number {
    const { w } = this.arena;
    let high = w[this.state + BOOTED]!;
    if (w[this.state + DIVIDED] === 0) return high;
    for (let actor = 0; actor < this.actors; actor++) {
      const taken = w[this.share(actor) + TAKEN]!;
      if (taken > 0) high = Math.max(high, this.rangeStart(actor) + taken);
    }
    return high;
  }

  private share(actor: number): number {
    return this.state + HEAD_WORDS + actor * SHARE_WORDS;
  }

  private count(actor: number, by: number): void {
    const word = this.share(actor) + LIVE;
    this.arena.put(word, this.arena.w[word]! + by);
  }

  /** The index before the first of the actor's range. */
  private rangeStart(actor: number): number {
    const booted = this.arena.w[this.state + BOOTED]!;
    return booted + Math.floor(((this.capacity - booted) * actor) / this.actors);
  }

  /** Objects of the actor's range that were never handed out; of the whole pool before it is divided. */
  private fresh(actor: number): number {
    const { w } = this.arena;
    if (w[this.state + DIVIDED] === 0) return this.capacity - w[this.state + BOOTED]!;
    return this.rangeStart(actor + 1) - this.rangeStart(actor) - w[this.share(actor) + TAKEN]!;
  }

  private takeFresh(actor: number, count: number): number {
    const { arena } = this;
    const divided = arena.w[this.state + DIVIDED] !== 0;
    const mark = divided ? this.share(actor) + TAKEN : this.state + BOOTED;
    const taken = arena.w[mark]!;
    arena.put(mark, taken + count);
    return (divided ? this.rangeStart(actor) : 0) + taken + 1;
  }

  /** Under the lock: from the actor's list, its range, the lists of others, their ranges. */
  private take(actor: number): number {
    const { arena, actors } = this;
    const share = this.share(actor);
    this.recycled = true;
    if (arena.w[share + FREE] !== 0) return this.takeListed(share);
    for (let i = 1; i < actors && this.fresh(actor) === 0; i++) {
      const other = this.share((actor + i) % actors);
      if (arena.w[other + FREE] === 0) continue;
      for (const word of [FREE, LISTED]) {
        arena.put(share + word, arena.w[other + word]!);
        arena.put(other + word, 0);
      }
      return this.takeListed(share);
    }
    this.recycled = false;
    for (let i = 0; i < actors; i++) {
      const other = (actor + i) % actors;
      if (this.fresh(other) > 0) return this.takeFresh(other, 1);
    }
    return 0;
  }

  private takeListed(share: number): number {
    const { arena } = this;
    const index = arena.w[share + FREE]!;
    arena.put(share + FREE, arena.w[this.base + index * this.objectWords]!);
    arena.put(share + LISTED, arena.w[share + LISTED]! - 1);
    return index;
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
