/**
 * The shared memory with its typed views, and the reset between schedules (design 3).
 *
 * Two modes. *Shared*: a SharedArrayBuffer that worker threads write with Atomics; never reset in place.
 * *Tracked*: a private buffer for the controlled runtime; every write marks its chunk, and `reset` copies the
 * marked chunks back from the boot image, so that its cost follows what a schedule touched.
 */
import type { Layout } from './layout.ts';

/** log2 of the words in a chunk of the touched map. */
const CHUNK_BITS = 4;
const CHUNK_WORDS = 1 << CHUNK_BITS;

export class Arena {
  readonly layout: Layout;
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  /** The memory as 32-bit words. */
  readonly w: Int32Array;
  /** The memory as 64-bit entries, for the atomic access to a reachable SPTE. */
  readonly q: BigInt64Array;
  /** The actor that runs: whose share of the pools is used (pool.ts). Set by whoever runs actors. */
  running = 0;
  /** True if writes are tracked and `reset` works. */
  readonly tracked: boolean;
  private readonly flags: Uint8Array;
  private readonly list: Int32Array;
  private count = 0;
  private boot: Int32Array | undefined;

  private constructor(layout: Layout, buffer: ArrayBuffer | SharedArrayBuffer, tracked: boolean) {
    this.layout = layout;
    this.buffer = buffer;
    this.w = new Int32Array(buffer);
    this.q = new BigInt64Array(buffer);
    this.tracked = tracked;
    const chunks = tracked ? Math.ceil(layout.words / CHUNK_WORDS) + 1 : 1;
    this.flags = new Uint8Array(chunks);
    this.list = new Int32Array(chunks);
  }

  /** A new shared arena, all zero; pages are touched lazily by the operating system. */
  static shared(layout: Layout): Arena {
    return new Arena(layout, new SharedArrayBuffer(Arena.bytes(layout)), false);
  }

  /** A view of an arena that another thread created. */
  static attach(layout: Layout, buffer: SharedArrayBuffer): Arena {
    return new Arena(layout, buffer, false);
  }

  /** A new private arena whose writes are tracked. */
  static tracked(layout: Layout): Arena {
    return new Arena(layout, new ArrayBuffer(Arena.bytes(layout)), true);
  }

  private static bytes(layout: Layout): number {
    return Math.ceil(layout.words / CHUNK_WORDS) * CHUNK_WORDS * 4;
  }

  /** Writes a word that only the holder of its lock can see. */
  put(word: number, value: number): void {
    if (this.tracked) this.touch(word);
    this.w[word] = value;
  }

  /**
   * Reads bits of a word that nobody else changes now, though others may change the rest of it: A and D of an SPTE, say, under
   * a held `mmu_lock`.
   */
  bits(word: number, mask: number): number {
    return this.w[word]! & mask;
  }

  /** Adds to a count that nobody decides anything by, so that the order of two additions cannot be seen. */
  tally(word: number, by: number): void {
    if (this.tracked) this.put(word, this.w[word]! + by);
    else Atomics.add(this.w, word, by);
  }

  /** Marks the chunk of `word` as written. */
  touch(word: number): void {
    const chunk = word >> CHUNK_BITS;
    if (this.flags[chunk] === 0) {
      this.flags[chunk] = 1;
      this.list[this.count++] = chunk;
    }
  }

  /** Marks `words` words from `word` on, before a bulk write. */
  touchRange(word: number, words: number): void {
    if (!this.tracked) return;
    const last = (word + words - 1) >> CHUNK_BITS;
    for (let chunk = word >> CHUNK_BITS; chunk <= last; chunk++) {
      if (this.flags[chunk] === 0) {
        this.flags[chunk] = 1;
        this.list[this.count++] = chunk;
      }
    }
  }

  /** Takes the present contents as what `reset` returns to. */
  takeBootImage(): void {
    this.boot = this.w.slice();
    this.clearMarks();
  }

  /** Restores the boot image where it was written. Returns the number of chunks restored. */
  reset(): number {
    const boot = this.boot;
    if (boot === undefined) throw new Error('reset before takeBootImage');
    const { w, list, flags } = this;
    const count = this.count;
    for (let i = 0; i < count; i++) {
      const chunk = list[i]!;
      flags[chunk] = 0;
      const from = chunk << CHUNK_BITS;
      for (let word = from; word < from + CHUNK_WORDS; word++) w[word] = boot[word]!;
    }
    this.count = 0;
    return count;
  }

  /** A hash of what differs from the boot image now, whatever the order in which it was written. */
  stateHash(): number {
    const { boot, w, list } = this;
    if (boot === undefined) throw new Error('stateHash before takeBootImage');
    let sum = 0;
    for (let i = 0; i < this.count; i++) {
      const from = list[i]! << CHUNK_BITS;
      for (let word = from; word < from + CHUNK_WORDS; word++) {
        if (w[word] === boot[word]) continue;
        let h = Math.imul(word ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(w[word]! ^ 0x7f4a7c15, 0xc2b2ae35);
        h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
        sum = (sum + (h ^ (h >>> 13))) | 0;
      }
    }
    return sum;
  }

  /** Calls `visit` with each word of the chunks written since the last reset. */
  forTouched(visit: (word: number) => void): void {
    for (let i = 0; i < this.count; i++) {
      const from = this.list[i]! << CHUNK_BITS;
      for (let word = from; word < from + CHUNK_WORDS; word++) visit(word);
    }
  }

  /** Chunks written since the last reset. */
  get touchedChunks(): number {
    return this.count;
  }

  private clearMarks(): void {
    for (let i = 0; i < this.count; i++) this.flags[this.list[i]!] = 0;
    this.count = 0;
  }
}
