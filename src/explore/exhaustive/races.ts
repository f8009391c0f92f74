/** Races of a run: pairs of dependent steps that could have come the other way round, and who could go first then. */
import { Op } from '../../cpu/steps.ts';
import { Effect, type Execution } from './execution.ts';

/** Told about a race: instead of step `at`, one of the actors in the bit set `initials` could have gone first. */
export type OnRace = (at: number, initials: number) => void;

export class Races {
  private readonly execution: Execution;
  private readonly onRace: OnRace;
  private readonly first: Int32Array;
  private readonly candidates: number[] = [];
  private readonly scratch: Int32Array;

  constructor(execution: Execution, onRace: OnRace) {
    this.execution = execution;
    this.onRace = onRace;
    this.first = new Int32Array(execution.actors);
    this.scratch = new Int32Array(execution.actors);
  }

  /** Finds the races of a recorded step with those before it. */
  ofStep(step: number): void {
    const { execution } = this;
    if (execution.effect[step] === Effect.none) return;
    const actor = execution.actor[step]!;
    if (execution.op[step] === Op.Wait) {
      const history = execution.history(execution.word[step]!);
      const from = history.lastIndexOf(step) - 1;
      this.ofWait(
        actor,
        execution.previousOf(step),
        execution.word[step]!,
        execution.expected[step]!,
        from,
        step,
      );
      return;
    }
    const { candidates } = this;
    candidates.length = 0;
    this.collect(step, execution.word[step]!);
    if (execution.wide[step] === 1) this.collect(step, execution.word[step]! + 1);
    const previous = execution.previousOf(step);
    for (const earlier of candidates) {
      if (previous >= 0 && execution.ordered(earlier, previous)) continue;
      if (candidates.some((other) => other !== earlier && execution.ordered(earlier, other))) continue;
      this.reverse(earlier, actor, step, execution.clock, step * execution.actors);
    }
  }

  /** Steps of others that `step` depends on directly by way of a word. */
  private collect(step: number, word: number): void {
    const { execution } = this;
    const history = execution.history(word);
    const actor = execution.actor[step]!;
    const at = history.lastIndexOf(step);
    const write = execution.lastWrite(word, at);
    const oldest = execution.effect[step] === Effect.write ? Math.min(at, write + 1) : at;
    for (let i = at - 1; i >= oldest; i--) this.candidate(history[i]!, actor);
    if (write >= 0) this.candidate(history[write]!, actor);
  }

  private candidate(earlier: number, actor: number): void {
    const { execution, candidates } = this;
    if (execution.actor[earlier] !== actor && !candidates.includes(earlier)) candidates.push(earlier);
  }

  /**
   * A wait is enabled by some values of its word only, so the write just before it may be the one that let it go, and is
   * then no race; but any write before that took an enabling value away is one. The same holds for a wait that was never made:
   * pass its actor's last step and the length of the word's history.
   */
  ofWait(actor: number, previous: number, word: number, expected: number, from: number, step: number): void {
    const { execution, scratch } = this;
    const { actors } = execution;
    const history = execution.history(word);
    for (let i = from; i >= 0; i--) {
      const earlier = history[i]!;
      if (execution.effect[earlier] !== Effect.write) continue;
      if (previous >= 0 && execution.ordered(earlier, previous)) break;
      if (execution.actor[earlier] === actor) break;
      const second = execution.wide[earlier] === 1 && execution.word[earlier] !== word;
      if (execution.before[2 * earlier + (second ? 1 : 0)] === expected) continue;
      // What the wait would come after if it came just before `earlier`: its own actor and the write before.
      if (previous < 0) scratch.fill(0);
      else scratch.set(execution.clock.subarray(previous * actors, (previous + 1) * actors));
      for (let j = i - 1; j >= 0; j--) {
        const writer = history[j]!;
        if (execution.effect[writer] !== Effect.write) continue;
        for (let k = 0; k < actors; k++) {
          scratch[k] = Math.max(scratch[k]!, execution.clock[writer * actors + k]!);
        }
        break;
      }
      this.reverse(earlier, actor, step, scratch, 0);
    }
  }

  /**
   * `step` of `actor` is to come before `earlier`: all steps since that do not depend on `earlier`, then `step`. Who can be
   * first of them?
   */
  private reverse(earlier: number, actor: number, step: number, clock: Int32Array, clockAt: number): void {
    const { execution, first } = this;
    const { actors } = execution;
    first.fill(-1);
    let initials = 0;
    for (let i = earlier + 1; i < step; i++) {
      if (execution.ordered(earlier, i)) continue;
      const who = execution.actor[i]!;
      if (first[who]! >= 0) continue;
      if (this.comesAfterFirsts(execution.clock, i * actors)) {
        // Not the first of the sequence, but the first of its actor: nobody's initial any more.
        first[who] = i;
        continue;
      }
      first[who] = i;
      initials |= 1 << who;
    }
    if (first[actor]! < 0 && !this.comesAfterFirsts(clock, clockAt)) initials |= 1 << actor;
    this.onRace(earlier, initials);
  }

  private comesAfterFirsts(clock: Int32Array, at: number): boolean {
    const { execution, first } = this;
    for (let other = 0; other < first.length; other++) {
      const step = first[other]!;
      if (step >= 0 && clock[at + other]! >= execution.own[step]!) return true;
    }
    return false;
  }
}
