/**
 * How many different things were seen, and how likely the next one is new.
 *
 * Up to a capacity every 64-bit key is kept with the number of times it was seen (once, or more often), so that both counts are
 * exact. Beyond it only keys whose lowest bits are zero are kept, one bit more each time the table fills (distinct sampling,
 * Gibbons, VLDB 2001): what is kept is a uniform sample of the distinct keys with their full counts, and both figures are
 * scaled. A HyperLogLog would count distinct keys in less memory, but it does not know which were seen only once, which the
 * estimate of Good and Turing rests on (Good, "The Population Frequencies of Species", Biometrika 1953).
 */

const EMPTY = 0;
const ONCE = 1;
const OFTEN = 2;

export class DistinctKeys {
  /** Keys that are kept at most. */
  readonly capacity: number;
  private readonly los: Int32Array;
  private readonly his: Int32Array;
  private readonly states: Uint8Array;
  private readonly mask: number;
  private kept = 0;
  private keptOnce = 0;
  /** Keys are kept if this many low bits of them are zero. */
  private level = 0;
  /** Keys added, repetitions included. */
  total = 0;

  /** @param capacityBits log2 of the slots; half of them are used at most. 2^21 slots take 19 MB. */
  constructor(capacityBits = 21) {
    const slots = 2 ** capacityBits;
    this.capacity = slots / 2;
    this.mask = slots - 1;
    this.los = new Int32Array(slots);
    this.his = new Int32Array(slots);
    this.states = new Uint8Array(slots);
  }

  /** Adds a key of two well mixed 32-bit halves; returns true if it is new as far as is known. */
  add(lo: number, hi: number): boolean {
    this.total++;
    if ((lo & (2 ** this.level - 1)) !== 0) return false;
    const at = this.find(lo, hi);
    if (this.states[at] === EMPTY) {
      this.put(at, lo, hi, ONCE);
      if (this.kept > this.capacity) this.thin();
      return true;
    }
    if (this.states[at] === ONCE) {
      this.states[at] = OFTEN;
      this.keptOnce--;
    }
    return false;
  }

  private find(lo: number, hi: number): number {
    const { los, his, states, mask } = this;
    let at = (lo >>> this.level) & mask;
    while (states[at] !== EMPTY && (los[at] !== lo || his[at] !== hi)) at = (at + 1) & mask;
    return at;
  }

  private put(at: number, lo: number, hi: number, state: number): void {
    this.los[at] = lo;
    this.his[at] = hi;
    this.states[at] = state;
    this.kept++;
    if (state === ONCE) this.keptOnce++;
  }

  /** Keeps half of the keys. */
  private thin(): void {
    const all: [number, number, number][] = [];
    this.states.forEach((state, at) => {
      if (state !== EMPTY) all.push([this.los[at]!, this.his[at]!, state]);
    });
    this.states.fill(EMPTY);
    this.kept = 0;
    this.keptOnce = 0;
    this.level++;
    for (const [lo, hi, state] of all) {
      if ((lo & (2 ** this.level - 1)) === 0) this.put(this.find(lo, hi), lo, hi, state);
    }
  }

  /** Different keys: exact up to the capacity, an estimate beyond. */
  get distinct(): number {
    return this.kept * 2 ** this.level;
  }

  /** Keys seen exactly once. */
  get singletons(): number {
    return this.keptOnce * 2 ** this.level;
  }

  /** True while both counts are exact. */
  get exact(): boolean {
    return this.level === 0;
  }

  /** Good and Turing's estimate that the next key is one never seen: the part of all that was seen once; 1 at the start. */
  get unseen(): number {
    return this.total === 0 ? 1 : Math.min(1, this.singletons / this.total);
  }
}
