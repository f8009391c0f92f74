/** The memory after each step of a run: what each step changed, private words included, so that it can be walked both ways. */
import type { Arena } from '../arena/arena.ts';
import type { Scheduler } from '../runtime/scheduler.ts';

/** A word that a step changed. */
export interface WordChange {
  readonly word: number;
  readonly before: number;
  readonly after: number;
}

/**
 * Records the changes of a run. What happens from an operation up to the next one, of whatever actor, belongs to the operation;
 * what comes before the first belongs to step 0.
 */
export class StepStates {
  /** By step: 0 is the start. */
  readonly changes: WordChange[][] = [[]];
  private readonly arena: Arena;
  private readonly known: Int32Array;
  private readonly steps: () => number;

  /** @param steps visible operations so far */
  constructor(arena: Arena, steps: () => number) {
    this.arena = arena;
    this.known = arena.w.slice();
    this.steps = steps;
  }

  /** The scheduler, watched: just before each move the changes since the last one are taken down. */
  wrap(inner: Scheduler): Scheduler {
    return {
      begin: (actors, schedule) => {
        this.known.set(this.arena.w);
        inner.begin(actors, schedule);
      },
      pick: (enabled, count, current) => inner.pick(enabled, count, current),
      step: (actor) => {
        this.take();
        inner.step?.(actor);
      },
      end: (decisions, steps, failed) => {
        this.take();
        inner.end?.(decisions, steps, failed);
      },
    };
  }

  private take(): void {
    const { arena, known, changes } = this;
    const { w } = arena;
    while (changes.length <= this.steps()) changes.push([]);
    const now = changes[changes.length - 1]!;
    arena.forTouched((word) => {
      const [before, after] = [known[word]!, w[word]!];
      if (before === after) return;
      now.push({ word, before, after });
      known[word] = after;
    });
  }
}
