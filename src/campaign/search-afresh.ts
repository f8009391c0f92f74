/**
 * Looking for a failure afresh where leaving things out of its schedule ends with many preemptions: on the choices and the workload of other
 * schedules, with few departures at random places: in turns from the base of overrides, which goes on with another actor at safepoints, and
 * from the base of delay bounding, which does not. Schedules with few delays are poor at finding failures in
 * general and good at finding simple ones (explorer notes 3.5 and 4.5), and a failure that was found by a strategy with hundreds of
 * preemptions often has a sibling with one.
 */
import { mix, Rng, Stream } from '../cpu/random.ts';
import { OverrideRecorder, OverrideScheduler, type Override } from '../explore/overrides.ts';
import { Profile } from '../explore/profile.ts';
import { Budget, minimise, stepLimit } from '../explore/shrink.ts';
import delayBounded from '../explore/strategies/delay-bounded.ts';
import type { Failing } from './shrink-workload.ts';

/** More preemptions than this are too many to explain. */
export const MANY = 2;
/** Most departures from the base of a schedule that is tried. */
const DEPARTURES = 4;
/** Share of the replays left that may be spent on making a find smaller. */
const SHARE = 0.5;

/**
 * Ends with the first run that has at most `MANY` preemptions once it is minimised, or with the best when `fresh` is spent.
 * @param fresh schedules to try; what comes of them is minimised on the budget of `start.place`
 * @param from number of the first
 */
export function searchAfresh(start: Failing, fresh: Budget, from = 0): Failing {
  let best = start;
  const { runtime, place } = start;
  const actors = runtime.cpus.length;
  const rng = new Rng(mix(place.master, place.schedule, Stream.shrink, from));
  let ops = runtime.cpus.map(() => Math.ceil((2 * start.run.result.steps) / actors));
  const limit = runtime.maxSteps;
  const profile = new Profile();
  profile.decisions = start.run.result.decisions;
  const delays = Array.from({ length: DEPARTURES }, (_, i) =>
    delayBounded.make({ master: place.master, option: i + 1, profile }),
  );
  for (let schedule = from; best.run.result.preemptions > MANY && fresh.take(); schedule++) {
    const which = (schedule >> 1) % DEPARTURES;
    const departures = Array.from({ length: which + 1 }, (): Override => {
      const actor = rng.below(actors + 1) - 1;
      return { actor, op: actor < 0 ? 0 : 1 + rng.below(ops[actor]!), next: rng.below(actors) };
    });
    const scheduler = new OverrideScheduler(departures);
    const recorder = new OverrideRecorder(schedule % 2 === 0 ? scheduler : delays[which]!);
    runtime.maxSteps = Math.min(limit, stepLimit(start.run.result.steps));
    runtime.idle = start.run.idle;
    runtime.kept = start.run.kept;
    const result = runtime.run(recorder, place.master, schedule);
    runtime.maxSteps = limit;
    const violation = result.violations[0];
    if (violation === undefined && schedule % 2 === 0) {
      ops = runtime.cpus.map((_, actor) => Math.max(1, scheduler.moves(actor)));
      profile.decisions = result.decisions;
    }
    if (violation === undefined || place.signature(violation) !== place.wanted) continue;
    if (result.preemptions >= best.run.result.preemptions) continue;
    const { overrides, preempting } = recorder;
    const there = { ...place, schedule };
    const left = new Budget(Math.ceil(SHARE * (place.budget.limit - place.budget.used)), place.budget);
    const run = minimise({ ...there, budget: left }, { ...start.run, overrides, preempting, result });
    best = { ...start, spec: { ...start.spec, schedule }, place: there, run };
  }
  return best;
}
