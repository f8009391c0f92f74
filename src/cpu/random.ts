/**
 * Random numbers (perf-limits 4). The user's seed string goes once through seedrandom; every stream is then a
 * 32-bit state mixed from that master, an index and a purpose, so that a draw in one stream never shifts another.
 */
import seedrandom from 'seedrandom';

/** Purposes of independent streams. */
export const Stream = { schedule: 1, choice: 2, workload: 3, boot: 4, shrink: 5 } as const;

/** The generator's name, recorded with each run. */
export const GENERATOR = 'seedrandom-arc4/xorshift32';

/** Turns a seed string into the 32-bit master seed. */
export function masterSeed(seed: string): number {
  return seedrandom(seed).int32() | 0;
}

/** A finaliser with full avalanche (the 32-bit murmur3 one). */
function avalanche(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Mixes a master seed with up to three indices into a stream's initial state, never 0. */
export function mix(master: number, a: number, b = 0, c = 0): number {
  let h = avalanche(master ^ 0x9e3779b9);
  h = avalanche(h ^ Math.imul(a | 0, 0x9e3779b1) ^ 0x7f4a7c15);
  h = avalanche(h ^ Math.imul(b | 0, 0x85ebca77) ^ 0x165667b1);
  h = avalanche(h ^ Math.imul(c | 0, 0xc2b2ae3d) ^ 0x27d4eb2f);
  return h === 0 ? 0x6d2b79f5 : h;
}

/** The state of a stream for one of its actor's moves, never 0. */
export function ofMove(stream: number, move: number): number {
  const h = avalanche(stream ^ Math.imul(move + 1, 0x9e3779b1));
  return h === 0 ? 0x6d2b79f5 : h;
}

/** Products of a 16-bit number and one up to this are 31-bit integers. */
const MAX_SMALL = 0x7fff;

/** xorshift32 with bounded draws by multiply-high: no modulo. */
export class Rng {
  private state: number;

  constructor(state: number) {
    this.state = state === 0 ? 0x6d2b79f5 : state | 0;
  }

  /** Restarts the stream. */
  seed(state: number): void {
    this.state = state === 0 ? 0x6d2b79f5 : state | 0;
  }

  /** Uniform over the unsigned 32-bit integers but 0. */
  next(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }

  /** Uniform over the multiples of 2^-32 in (0, 1). */
  unit(): number {
    return this.next() / 4294967296;
  }

  /** Uniform over 0..n-1, n at most 2^21 (bias below 2^-11 there, 2^-32 n in general). */
  below(n: number): number {
    if (n > MAX_SMALL) return Math.floor(this.unit() * n);
    // The upper half of the product, in integers: to go through doubles and back takes three times as long.
    const x = this.next();
    return ((x >>> 16) * n + (((x & 0xffff) * n) >>> 16)) >>> 16;
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.next() < p * 4294967296;
  }
}
