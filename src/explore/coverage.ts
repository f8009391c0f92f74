/**
 * What a run covered, kept up with each operation.
 *
 * The happens-before fingerprint (explorer notes 4.7; after Musuvathi and Qadeer, "Partial-Order Reduction for
 * Context-Bounded State Exploration", 2007): two runs have the same fingerprint if they order all dependent operations
 * alike, however the independent ones were interleaved. Per location the hash of the last write is kept, and a commutative sum
 * of the reads since; each operation mixes them with who made it, and each actor chains its operations. It is 64 bits
 * wide, so that equal fingerprints are the same behaviour for all practical purposes.
 *
 * Operation pairs: who did what to a kind of word right after somebody else did something else to the same word, one of the two
 * writing. A pair seen in both orders was really contended; one seen in a single order names what no schedule has tried.
 */
import type { RunCoverage } from '../cpu/plain-cpu.ts';
import { Op, OP_NAMES } from '../cpu/steps.ts';

/** Who and what of an operation takes this many values: 8 parties with 16 operations. */
const PARTIES = 8;
const OPS = 16;
const SIDES = PARTIES * OPS;
/** Locations beyond this many share their records; only arenas of more than 16 MiB have so many. */
const MAX_LOCATIONS = 2 ** 22;
/** Fields of a location's record. */
const STAMP = 0;
const WRITTEN = 1;
const READ = 2;
/** The sides that wrote and read last, plus 1, in the low and the high half; with their actors in the next word. */
const LAST = 3;
const LAST_ACTORS = 4;
const RECORD = 8;

export interface CoverageOptions {
  readonly actors: number;
  /** Words of the arena. */
  readonly words: number;
  /** Words from this one on are parts of 8-byte entries: two of them are one location. */
  readonly entriesFrom: number;
  /** The kind of each word, below `kinds`. */
  readonly kindOf: (word: number) => number;
  readonly kinds: number;
  /** The party of each actor, below 8: pairs are told apart by parties. */
  readonly partyOf: (actor: number) => number;
}

/** Number of an ordered pair: kind, earlier side, later side. */
export type PairKey = number;

export interface DecodedPair {
  readonly kind: number;
  readonly earlier: { readonly party: number; readonly op: string };
  readonly later: { readonly party: number; readonly op: string };
}

const side = (code: number): { party: number; op: string } => ({
  party: Math.floor(code / OPS),
  op: OP_NAMES[code % OPS]!,
});

export function decodePair(key: PairKey): DecodedPair {
  return {
    kind: Math.floor(key / (SIDES * SIDES)),
    earlier: side(Math.floor(key / SIDES) % SIDES),
    later: side(key % SIDES),
  };
}

/** The same two operations the other way round. */
export function reversePair(key: PairKey): PairKey {
  const later = key % SIDES;
  const rest = Math.floor(key / SIDES);
  const earlier = rest % SIDES;
  return ((rest - earlier) / SIDES) * SIDES * SIDES + later * SIDES + earlier;
}

export class Coverage implements RunCoverage {
  private readonly records: Int32Array;
  private readonly mask: number;
  private readonly entriesFrom: number;
  private readonly kinds: Uint8Array;
  private readonly parties: Int32Array;
  private readonly counts: Int32Array;
  private readonly chains: Int32Array;
  private readonly seen: Int32Array;
  private run = 0;
  /** Ordered pairs in the order in which they were met since `forgetPairs`. */
  readonly newPairs: PairKey[] = [];

  constructor(options: CoverageOptions) {
    const locations = Math.min(MAX_LOCATIONS, 2 ** Math.ceil(Math.log2(options.words + 1)));
    this.mask = locations - 1;
    this.records = new Int32Array(locations * RECORD);
    this.entriesFrom = options.entriesFrom;
    this.kinds = Uint8Array.from({ length: locations }, (_, word) =>
      word < options.words ? options.kindOf(word) : 0,
    );
    this.parties = Int32Array.from({ length: options.actors }, (_, actor) => options.partyOf(actor));
    this.counts = new Int32Array(options.actors);
    this.chains = new Int32Array(2 * options.actors);
    this.seen = new Int32Array(Math.ceil((options.kinds * SIDES * SIDES) / 32));
  }

  begin(): void {
    this.run = (this.run + 1) | 0;
    this.counts.fill(0);
    this.chains.fill(0);
  }

  operation(actor: number, op: number, word: number, writes: boolean): void {
    if (op === Op.Pause || op === Op.Fence) return;
    const { records } = this;
    const location = (word >= this.entriesFrom ? word & ~1 : word) & this.mask;
    const at = location * RECORD;
    if (records[at + STAMP] !== this.run) {
      records[at + STAMP] = this.run;
      records[at + WRITTEN] = 0;
      records[at + READ] = 0;
      records[at + LAST] = 0;
    }
    // What happened, from what it came after.
    let event = Math.imul((actor << 20) ^ ++this.counts[actor]! ^ (op << 16), 0x9e3779b1) ^ word;
    event = Math.imul(event ^ (event >>> 15), 0x85ebca6b) ^ records[at + WRITTEN]!;
    event = Math.imul(event ^ (event >>> 13), 0xc2b2ae35);
    if (writes) {
      event = Math.imul(event ^ records[at + READ]! ^ (event >>> 16), 0x27d4eb2f);
      event ^= event >>> 15;
      records[at + WRITTEN] = event;
      records[at + READ] = 0;
    } else {
      event ^= event >>> 16;
      records[at + READ] = (records[at + READ]! + event) | 0;
    }
    const { chains } = this;
    const chain = 2 * actor;
    const one = Math.imul(chains[chain]! ^ event, 0x2c1b3c6d);
    chains[chain] = one ^ (one >>> 15);
    const two = Math.imul((chains[chain + 1]! + event) | 0, 0x297a2d39);
    chains[chain + 1] = two ^ (two >>> 16);

    this.notePairs(at, location, actor, this.parties[actor]! * OPS + op, writes);
  }

  /** The last writer is in order before everything, the last reader before a write. */
  private notePairs(at: number, location: number, actor: number, code: number, writes: boolean): void {
    const { records } = this;
    const last = records[at + LAST]!;
    const actors = records[at + LAST_ACTORS]!;
    const wrote = last & 0xffff;
    if (wrote !== 0 && (actors & 0xffff) !== actor) this.pair(location, wrote - 1, code);
    if (writes) {
      const read = last >>> 16;
      if (read !== 0 && actors >>> 16 !== actor) this.pair(location, read - 1, code);
      records[at + LAST] = code + 1;
      records[at + LAST_ACTORS] = actor;
    } else {
      records[at + LAST] = wrote | ((code + 1) << 16);
      records[at + LAST_ACTORS] = (actors & 0xffff) | (actor << 16);
    }
  }

  private pair(location: number, earlier: number, later: number): void {
    const key = (this.kinds[location]! * SIDES + earlier) * SIDES + later;
    const bit = 1 << (key & 31);
    if ((this.seen[key >>> 5]! & bit) !== 0) return;
    this.seen[key >>> 5]! |= bit;
    this.newPairs.push(key);
  }

  /** Reports pairs again that were reported before. */
  forgetPairs(): void {
    for (const key of this.newPairs) this.seen[key >>> 5] = 0;
    this.newPairs.length = 0;
  }

  get lo(): number {
    return this.sum(0, 0x85ebca6b);
  }

  get hi(): number {
    return this.sum(1, 0xc2b2ae35);
  }

  private sum(half: number, multiplier: number): number {
    let sum = 0;
    for (let actor = 0; actor < this.counts.length; actor++) {
      let h = Math.imul(this.chains[2 * actor + half]! ^ Math.imul(actor + 1, 0x9e3779b1), multiplier);
      h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
      sum = (sum + (h ^ (h >>> 13))) | 0;
    }
    // The keys are told apart by their lowest bits, too.
    sum = Math.imul(sum ^ (sum >>> 16), 0x45d9f3b);
    return sum ^ (sum >>> 16);
  }
}
