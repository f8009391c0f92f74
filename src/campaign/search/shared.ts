/** What the coordinator of a search and its workers tell each other while shards are under way: a few shared words. */

const STOP = 0;
const LIMIT = 1;
const SCHEDULES = 2;
const FAILURES = 3;
const WORDS = 4;

export class SearchSignals {
  readonly buffer: SharedArrayBuffer;
  private readonly w: Int32Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(4 * WORDS)) {
    this.buffer = buffer;
    this.w = new Int32Array(buffer);
  }

  /** Makes everybody stop after the schedule they are at. */
  stop(): void {
    Atomics.store(this.w, STOP, 1);
  }

  /** Nothing after this shard is needed. */
  limit(shard: number): void {
    const known = Atomics.load(this.w, LIMIT);
    if (known === 0 || shard + 1 < known) Atomics.store(this.w, LIMIT, shard + 1);
  }

  /** True if the rest of a shard is of no use. */
  stopped(shard: number): boolean {
    if (Atomics.load(this.w, STOP) !== 0) return true;
    const limit = Atomics.load(this.w, LIMIT);
    return limit !== 0 && shard + 1 > limit;
  }

  /** Counts what was just done, for the progress line. */
  count(schedules: number, failures: number): void {
    Atomics.add(this.w, SCHEDULES, schedules);
    if (failures > 0) Atomics.add(this.w, FAILURES, failures);
  }

  get schedules(): number {
    return Atomics.load(this.w, SCHEDULES);
  }

  get failures(): number {
    return Atomics.load(this.w, FAILURES);
  }
}
