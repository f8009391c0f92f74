/**
 * Hill climbing over the segments of a schedule: where leaving out or moving any one of them makes the failure go, several changes at
 * once may not. A change is accepted if the run fails alike with no more preemptions, so that the search walks over plateaus.
 */
import { mix, Rng, Stream } from '../cpu/random.ts';
import { playSegments, stepLimit, better, type FailingRun, type Workplace } from './failing-run.ts';
import { OverrideScheduler } from './overrides.ts';
import { SegmentScheduler, settle, type Segment } from './segments.ts';

/** Chance that one more change is made. */
const MORE = 0.5;

/** One random change: a segment ends elsewhere, goes, or changes places with the next. */
function mutate(segments: readonly Segment[], rng: Rng): readonly Segment[] {
  if (segments.length === 0) return segments;
  const preempted = segments.flatMap((segment, at) => (segment.preempted ? [at] : []));
  const any = rng.below(segments.length);
  // Preemptions are what is to go; now and then it takes a change elsewhere.
  const at = preempted.length > 0 && rng.chance(0.7) ? preempted[rng.below(preempted.length)]! : any;
  switch (rng.below(5)) {
    case 0:
    case 1:
      return settle(segments, at, 'later');
    case 2:
      return settle(segments, at, 'earlier');
    case 3:
      return [...segments.slice(0, at), ...segments.slice(at + 1)];
    default:
      return at + 1 >= segments.length
        ? segments
        : [...segments.slice(0, at), segments[at + 1]!, segments[at]!, ...segments.slice(at + 2)];
  }
}

/** @returns the best run that was met, `start` if none is better */
export function climb(place: Workplace, start: FailingRun): FailingRun {
  const { runner, master, schedule, budget } = place;
  if (start.result.preemptions === 0 || !budget.take()) return start;
  const limit = runner.maxSteps;
  runner.maxSteps = Math.min(limit, stepLimit(start.result.steps));
  const rng = new Rng(mix(master, schedule, Stream.shrink, start.result.steps));
  let here = playSegments(place, new OverrideScheduler(start.overrides), start);
  let best = start;
  while (here !== undefined && best.result.preemptions > 0 && budget.take()) {
    let candidate = mutate(here.segments, rng);
    while (rng.chance(MORE)) candidate = mutate(candidate, rng);
    const found = playSegments(place, new SegmentScheduler(candidate), start);
    if (found === undefined || found.run.result.preemptions > here.run.result.preemptions) continue;
    here = found;
    if (better(here.run, best)) best = here.run;
  }
  runner.maxSteps = limit;
  return best;
}
