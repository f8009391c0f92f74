/**
 * Making a long failing run short: moves and switches are left out in turns, as fewer of the ones need fewer of the others. Where that ends is a
 * local minimum, and another one if moves are tried in another order: so it is done several times from the beginning.
 */
import { mix, Rng, Stream } from '../cpu/random.ts';
import { climb } from './climb.ts';
import { dropMoves } from './drop-moves.ts';
import { better, Budget, isSimple, simpler, type FailingRun, type Workplace } from './failing-run.ts';
import { minimise, regroup } from './shrink.ts';

/** Steps that one attempt may take, as a part of all. */
const SHARE = 0.25;
/** Replays of one climb. */
const CLIMB = 500;

/** One attempt. `rng` draws the order in which moves are tried; absent: that of the run. */
function attempt(place: Workplace, start: FailingRun, rng: Rng | undefined): FailingRun {
  let run = start;
  for (let moves = Infinity; ;) {
    const fewer = dropMoves(place, run, rng);
    run = regroup(place, fewer.run);
    if (fewer.after >= moves || place.budget.spent) break;
    moves = fewer.after;
  }
  run = minimise(place, run, false);
  const climbed = climb({ ...place, budget: new Budget(CLIMB, place.budget) }, run);
  if (climbed !== run) run = minimise(place, climbed, false);
  const fewer = minimise(place, dropMoves(place, run, rng).run, false);
  return better(run, fewer) ? run : fewer;
}

/**
 * Yields the best so far after each attempt. Ends with the first run that is simple with at most `wanted` preemptions, or with the best when the budget is spent.
 * @param first the run as the strategy made it
 * @param minimal what was left of its schedule without leaving moves out
 */
export function* reduce(
  place: Workplace,
  first: FailingRun,
  minimal: FailingRun,
  wanted: number,
): Generator<FailingRun, FailingRun> {
  const rng = new Rng(mix(place.master, place.schedule, Stream.shrink));
  let best = minimal;
  for (let i = 0; !isSimple(best, wanted) && !place.budget.spent; i++) {
    const budget = new Budget(Infinity, place.budget, SHARE * place.budget.maxSteps);
    const from = i % 2 === 0 ? first : minimal;
    const run = attempt({ ...place, budget }, from, i === 0 ? undefined : rng);
    if (simpler(run, best, wanted)) best = run;
    yield best;
  }
  return best;
}
