/**
 * One run as a partial order: its steps with what each did to memory, who happened before whom, and which pairs of steps
 * raced. The search for all behaviours (source-dpor.ts) keeps one of these and cuts it back to the place where the next run
 * leaves the last one.
 *
 * A step is what an actor does between two yields: at most one visible operation, then private code. Two steps depend on each
 * other if they belong to one actor, or touch the same word and one of them *changed* it. What counts is the effect and not
 * the kind of operation: a failed compare-exchange, a store of the value that was there already and an `or` of set bits are
 * reads. That is sound because such a step stays one as long as nobody changes its word, and whoever does depends on it.
 * A Pause, a Fence and an actor's last piece of private code depend on nothing but their own actor.
 */
import { Op } from '../../cpu/steps.ts';

/** What a step did. */
export const Effect = { none: 0, read: 1, write: 2 } as const;
export type EffectKind = (typeof Effect)[keyof typeof Effect];

const FIRST_CAPACITY = 256;

function mix32(a: number, b: number): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b ^ 0x7f4a7c15, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return (h ^ (h >>> 15)) | 0;
}

export class Execution {
  readonly actors: number;
  /** Steps recorded. */
  count = 0;
  /** By step: actor, effect, announced operation, word, the words' values before, and whether it covers two words. */
  actor: Int32Array = new Int32Array(FIRST_CAPACITY);
  effect: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  op: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  word: Int32Array = new Int32Array(FIRST_CAPACITY);
  wide: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  before: Int32Array = new Int32Array(2 * FIRST_CAPACITY);
  /** For a wait: the value that blocks. */
  expected: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Number of the step among its actor's, from 1, and the actor's step before, -1 if none. */
  own: Int32Array = new Int32Array(FIRST_CAPACITY);
  private previous: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Vector clocks, `actors` entries a step: how many steps of each actor happened before it or are it. */
  clock: Int32Array;
  private readonly last: Int32Array;
  /** Word to the number of its list in `histories`; 0: none yet. */
  private readonly slots: Int32Array;
  /** Steps that touched a word, in order; and for each the place in that list of the last write up to it, -1 if none. */
  private readonly histories: number[][] = [[]];
  private readonly lastWrites: number[][] = [[]];

  /** @param words size of the memory */
  constructor(actors: number, words: number) {
    this.actors = actors;
    this.clock = new Int32Array(actors * FIRST_CAPACITY);
    this.last = new Int32Array(actors).fill(-1);
    this.slots = new Int32Array(words);
  }

  /** The steps that touched a word so far, oldest first. */
  history(word: number): readonly number[] {
    return this.histories[this.slots[word]!]!;
  }

  /** The place in the word's history of the last write before place `at`, -1 if none. */
  lastWrite(word: number, at: number): number {
    return at === 0 ? -1 : this.lastWrites[this.slots[word]!]![at - 1]!;
  }

  /** The actor's latest step, -1 if it made none. */
  lastOf(actor: number): number {
    return this.last[actor]!;
  }

  /** The actor's step before this one, -1 if none. */
  previousOf(step: number): number {
    return this.previous[step]!;
  }

  /** Forgets the steps from `count` on. */
  truncate(count: number): void {
    for (let step = this.count - 1; step >= count; step--) {
      this.last[this.actor[step]!] = this.previous[step]!;
      if (this.effect[step] === Effect.none) continue;
      this.leave(this.word[step]!);
      if (this.wide[step] === 1) this.leave(this.word[step]! + 1);
    }
    this.count = Math.min(this.count, count);
  }

  private leave(word: number): void {
    this.histories[this.slots[word]!]!.pop();
    this.lastWrites[this.slots[word]!]!.pop();
  }

  /** Adds a step. */
  push(
    actor: number,
    effect: EffectKind,
    op: number,
    word: number,
    wide: boolean,
    before0: number,
    before1: number,
    expected: number,
  ): void {
    const step = this.count++;
    if (step === this.actor.length) this.grow();
    const { last } = this;
    const previous = last[actor]!;
    this.actor[step] = actor;
    this.effect[step] = effect;
    this.op[step] = op;
    this.word[step] = word;
    this.wide[step] = wide ? 1 : 0;
    this.before[2 * step] = before0;
    this.before[2 * step + 1] = before1;
    this.expected[step] = expected;
    this.previous[step] = previous;
    this.own[step] = previous < 0 ? 1 : this.own[previous]! + 1;
    last[actor] = step;
    const { clock, actors } = this;
    const at = step * actors;
    if (previous < 0) clock.fill(0, at, at + actors);
    else clock.copyWithin(at, previous * actors, previous * actors + actors);
    clock[at + actor] = this.own[step]!;
    if (effect === Effect.none) return;
    this.joinWord(step, word, effect);
    if (wide) this.joinWord(step, word + 1, effect);
  }

  /** A read comes after the word's last write; a write after that and all reads since. */
  private joinWord(step: number, word: number, effect: EffectKind): void {
    let slot = this.slots[word]!;
    if (slot === 0) {
      slot = this.histories.push([]) - 1;
      this.lastWrites.push([]);
      this.slots[word] = slot;
    }
    const history = this.histories[slot]!;
    const lastWrites = this.lastWrites[slot]!;
    const write = this.lastWrite(word, history.length);
    if (effect === Effect.write) {
      for (let i = history.length - 1; i > write; i--) this.join(step, history[i]!);
    }
    if (write >= 0) this.join(step, history[write]!);
    history.push(step);
    lastWrites.push(effect === Effect.write ? history.length - 1 : write);
  }

  private join(step: number, earlier: number): void {
    const { clock, actors } = this;
    const at = step * actors;
    const from = earlier * actors;
    for (let i = 0; i < actors; i++) if (clock[from + i]! > clock[at + i]!) clock[at + i] = clock[from + i]!;
  }

  /** Did `earlier` happen before `step`, or is it the same? */
  ordered(earlier: number, step: number): boolean {
    return this.clock[step * this.actors + this.actor[earlier]!]! >= this.own[earlier]!;
  }

  /**
   * A number that two runs share if they ordered all dependent steps alike, and else only by a hash collision: the
   * Mazurkiewicz trace of the run (compare explore/fingerprint.ts, which goes by 8-byte units and kinds of operations).
   */
  traceKey(): string {
    // By word: hash of the last write, sum of the hashes of the reads since.
    const written = new Map<number, number>();
    const reads = new Map<number, number>();
    let low = 0;
    let high = 0;
    for (let step = 0; step < this.count; step++) {
      const effect = this.effect[step]!;
      if (effect === Effect.none) continue;
      const first = this.word[step]!;
      const last = first + this.wide[step]!;
      let hash = mix32(mix32(this.actor[step]! + 1, this.own[step]!), effect);
      for (let word = first; word <= last; word++) {
        hash = mix32(mix32(hash, word), written.get(word) ?? 0);
        if (effect === Effect.write) hash = mix32(hash, reads.get(word) ?? 0);
      }
      for (let word = first; word <= last; word++) {
        if (effect === Effect.write) {
          written.set(word, hash);
          reads.delete(word);
        } else reads.set(word, ((reads.get(word) ?? 0) + hash) | 0);
      }
      low = (low + hash) | 0;
      high = (high + mix32(hash, 0x51ed270b)) | 0;
    }
    return `${(high >>> 0).toString(16).padStart(8, '0')}${(low >>> 0).toString(16).padStart(8, '0')}`;
  }

  private grow(): void {
    const double = <T extends Int32Array | Uint8Array>(old: T): T => {
      const bigger = new (old.constructor as new (length: number) => T)(old.length * 2);
      bigger.set(old);
      return bigger;
    };
    this.actor = double(this.actor);
    this.effect = double(this.effect);
    this.op = double(this.op);
    this.word = double(this.word);
    this.wide = double(this.wide);
    this.before = double(this.before);
    this.expected = double(this.expected);
    this.own = double(this.own);
    this.previous = double(this.previous);
    this.clock = double(this.clock);
  }
}

/** Is a step of this effect on these words independent of another? */
export function independent(
  effectA: number,
  wordA: number,
  wideA: number,
  effectB: number,
  wordB: number,
  wideB: number,
): boolean {
  if (effectA === Effect.none || effectB === Effect.none) return true;
  if (effectA === Effect.read && effectB === Effect.read) return true;
  return wordA + wideA < wordB || wordB + wideB < wordA;
}

/** True for a blocked or announced wait. */
export const isWait = (op: number): boolean => op === Op.Wait;
