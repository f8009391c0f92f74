/**
 * Shrinking a failing schedule to the fewest switches (explorer notes 4.9).
 *
 * The schedule is rewritten as overrides on the base that never preempts; ddmin leaves out all it can; a local search moves,
 * retargets and drops what is left in pairs, where ddmin stalls on failures that are not monotone; then a bounded search
 * certifies that no failing schedule has fewer preemptions, or finds one and starts over.
 *
 * "Still fails" means the same check on the same kind of place; any other violation is a pass.
 */
import type { Violation } from '../runtime/outcome.ts';
import { ddmin } from './ddmin.ts';
import { OverrideRecorder, OverrideScheduler, type Override } from './overrides.ts';
import { searchPreemptions, type PreemptionBoundResult } from './preemption-search.ts';
import type { Runner, RunResult } from './runner.ts';
import type { Scheduler } from '../runtime/scheduler.ts';

/** What makes two failures the same one. */
export type Signature = (violation: Violation) => string;

export interface ShrinkOptions {
  readonly runner: Runner;
  readonly master: number;
  /** The schedule's number: it seeds choices and workload, which stay as they are. */
  readonly schedule: number;
  readonly signature: Signature;
  /** Replays spent on ddmin and the local search together. */
  readonly maxReplays: number;
  /** Schedules spent on the certificate. */
  readonly maxCertificate: number;
}

export interface Shrunk {
  readonly overrides: readonly Override[];
  readonly result: RunResult;
  readonly signature: string;
  /** Before: what the strategy's schedule was. */
  readonly before: { readonly overrides: number; readonly preemptions: number; readonly steps: number };
  readonly replays: number;
  /** `minimal`: every schedule with fewer preemptions was tried and passes. */
  readonly certificate: {
    readonly verdict: 'minimal' | 'bound';
    /** All schedules with at most this many preemptions were tried; -1 if not even those without. */
    readonly exhausted: number;
    readonly schedules: number;
  };
}

/** The failure does not show again: nothing can be shrunk. */
export class NotReproduced extends Error {
  override readonly name = 'NotReproduced';
}

class Shrinker {
  replays = 0;
  best: { overrides: readonly Override[]; result: RunResult };
  private readonly options: ShrinkOptions;
  private readonly wanted: string;
  private readonly seen = new Map<string, readonly Override[] | undefined>();

  constructor(options: ShrinkOptions, wanted: string, start: readonly Override[], result: RunResult) {
    this.options = options;
    this.wanted = wanted;
    this.best = { overrides: start, result };
  }

  private key(overrides: readonly Override[]): string {
    return overrides.map(({ actor, op, next }) => `${actor}.${op}.${next}`).join(' ');
  }

  /** Runs a candidate; what was used of it if it still fails. */
  readonly fails = (overrides: readonly Override[]): readonly Override[] | undefined => {
    const key = this.key(overrides);
    if (this.seen.has(key)) return this.seen.get(key);
    const { runner, master, schedule, signature, maxReplays } = this.options;
    if (this.replays >= maxReplays) return undefined;
    this.replays++;
    const scheduler = new OverrideScheduler(overrides);
    const result = runner.run(scheduler, master, schedule);
    const violation = result.violations[0];
    const used = violation !== undefined && signature(violation) === this.wanted ? scheduler.used : undefined;
    this.seen.set(key, used);
    if (used !== undefined && better(used, result, this.best)) this.best = { overrides: used, result };
    return used;
  };

  /** Tries to leave out pairs, to move each override by one operation, and to send it elsewhere. Returns true if it helped. */
  localSearch(actors: number): boolean {
    const before = this.best;
    const list = before.overrides;
    const improved = (): boolean => this.best !== before;
    for (let i = 0; i < list.length; i++) {
      for (let j = i + 1; j < list.length; j++) {
        this.fails(list.filter((_, at) => at !== i && at !== j));
        if (improved()) return true;
      }
    }
    for (let i = 0; i < list.length; i++) {
      const one = list[i]!;
      const rest = (changed: Override): Override[] => list.map((other, at) => (at === i ? changed : other));
      for (const shift of [-1, 1]) {
        if (one.op + shift >= 0) this.fails(rest({ ...one, op: one.op + shift }));
      }
      for (let next = 0; next < actors; next++) {
        if (next !== one.next && next !== one.actor) this.fails(rest({ ...one, next }));
      }
      if (improved()) return true;
    }
    return false;
  }
}

/** Fewer preemptions first, then fewer overrides, then fewer steps. */
function better(
  used: readonly Override[],
  result: RunResult,
  than: { overrides: readonly Override[]; result: RunResult },
): boolean {
  const difference =
    result.preemptions - than.result.preemptions ||
    used.length - than.overrides.length ||
    result.steps - than.result.steps;
  return difference < 0;
}

/**
 * Shrinks the failure that `strategy` finds as schedule `options.schedule`.
 * @throws NotReproduced if that schedule does not fail
 */
export function shrink(strategy: Scheduler, options: ShrinkOptions): Shrunk {
  const { runner, master, schedule } = options;
  const recorder = new OverrideRecorder(strategy);
  const first = runner.run(recorder, master, schedule);
  const violation = first.violations[0];
  if (violation === undefined) throw new NotReproduced(`schedule ${schedule} does not fail`);
  const wanted = options.signature(violation);
  const shrinker = new Shrinker(options, wanted, recorder.overrides, first);
  minimise(shrinker, runner.cpus.length);

  let certificate: PreemptionBoundResult = { exhausted: -1, schedules: 0, found: undefined };
  for (;;) {
    const below = shrinker.best.result.preemptions - 1;
    if (below < 0) {
      certificate = { exhausted: -1, schedules: certificate.schedules, found: undefined };
      break;
    }
    const searched = searchPreemptions({
      runner,
      master,
      schedule,
      preemptions: below,
      maxSchedules: options.maxCertificate - certificate.schedules,
      fails: (result) =>
        result.violations[0] !== undefined && options.signature(result.violations[0]) === wanted,
    });
    certificate = { ...searched, schedules: certificate.schedules + searched.schedules };
    if (searched.found === undefined) break;
    shrinker.fails(searched.found);
    minimise(shrinker, runner.cpus.length);
    if (shrinker.best.result.preemptions > below) break;
  }
  const { overrides, result } = shrinker.best;
  return {
    overrides,
    result,
    signature: wanted,
    before: { overrides: recorder.overrides.length, preemptions: first.preemptions, steps: first.steps },
    replays: shrinker.replays,
    certificate: {
      verdict:
        result.preemptions === 0 || certificate.exhausted >= result.preemptions - 1 ? 'minimal' : 'bound',
      exhausted: certificate.exhausted,
      schedules: certificate.schedules,
    },
  };
}

function minimise(shrinker: Shrinker, actors: number): void {
  do ddmin(shrinker.best.overrides, shrinker.fails);
  while (shrinker.localSearch(actors));
}
