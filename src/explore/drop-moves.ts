/**
 * Leaving moves out of a failing run (explorer notes 4.9, step 5). A run of thousands of steps is hundreds of moves, of which a failure
 * needs a few; while the others are there, many switches are needed only to have the few in their order. Every candidate is
 * played in the order of the run it comes from (moves.ts), so that a move goes without taking the switches of others along.
 */
import type { Rng } from '../cpu/random.ts';
import { ddmin } from './ddmin.ts';
import { playSchedule, stepLimit, type FailingRun, type LeftOut, type Workplace } from './failing-run.ts';
import { permutation } from './draw.ts';
import { MoveRecorder, MoveScheduler, type Move } from './moves.ts';
import { OverrideScheduler } from './overrides.ts';

/** The run without all moves but these. An actor that makes none of its moves stays away if it may. */
function without(
  place: Workplace,
  { idle, kept }: LeftOut,
  moves: readonly Move[],
  movers: Set<number>,
): LeftOut {
  const left = new Map(kept);
  for (const actor of movers) left.set(actor, []);
  for (const { actor, move } of moves)
    left.set(
      actor,
      [...(left.get(actor) ?? []), move].sort((a, b) => a - b),
    );
  const away = [...movers].filter((actor) => left.get(actor)!.length === 0 && place.runner.mayIdle(actor));
  for (const actor of away) left.delete(actor);
  return { idle: new Set([...idle, ...away].sort((a, b) => a - b)), kept: left };
}

/** Without the moves that the run did not come to, so that it is the same run. */
export function begun(kept: LeftOut['kept'], moves: readonly Move[]): LeftOut['kept'] {
  const last = new Map<number, number>();
  for (const { actor, move } of moves) last.set(actor, move);
  return new Map(
    [...kept].map(([actor, numbers]) => [actor, numbers.filter((move) => move <= (last.get(actor) ?? -1))]),
  );
}

export interface FewerMoves {
  readonly run: FailingRun;
  /** Moves begun before the failure, before and after. */
  readonly before: number;
  readonly after: number;
}

/**
 * Leaves out as many moves as can go: all of an actor at first, then by ddmin.
 * @param rng draws the order in which they are tried; absent: that of the run
 */
export function dropMoves(place: Workplace, start: FailingRun, rng?: Rng): FewerMoves {
  const { runner, budget } = place;
  const limit = runner.maxSteps;
  runner.maxSteps = Math.min(limit, stepLimit(start.result.steps));
  const recorder = new MoveRecorder(new OverrideScheduler(start.overrides));
  let best = budget.take() ? playSchedule(place, recorder, start) : undefined;
  if (best === undefined) {
    runner.maxSteps = limit;
    return { run: start, before: 0, after: 0 };
  }
  let { moves, segments } = recorder;
  const before = moves.length;
  const movers = new Set(moves.map(({ actor }) => actor));
  const fails = (candidate: readonly Move[]): readonly Move[] | undefined => {
    if (!budget.take()) return undefined;
    const again = new MoveRecorder(new MoveScheduler(segments));
    const run = playSchedule(place, again, without(place, best!, candidate, movers));
    if (run === undefined) return undefined;
    best = { ...run, kept: begun(run.kept, again.moves) };
    ({ moves, segments } = again);
    return moves;
  };
  const order = (list: readonly Move[]): readonly Move[] =>
    rng === undefined ? list : [...permutation(rng, list.length)].map((at) => list[at]!);
  for (const actor of [...movers].sort((a, b) => b - a)) {
    const others = moves.filter((move) => move.actor !== actor);
    if (others.length > 0 && others.length < moves.length) fails(others);
  }
  ddmin(order(moves), fails);
  runner.maxSteps = limit;
  return { run: best, before, after: moves.length };
}
