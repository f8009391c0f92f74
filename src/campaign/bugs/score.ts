/** What many hunts for one bug come to. */
import { kaplanMeier, medianTime } from '../../measure/survival.ts';
import type { BugRow } from '../../report/bug-table.ts';
import type { Quarry } from './corpus.ts';
import type { Hunt } from './hunt.ts';

/** False if the time ran out, or the user ended it, before it came to anything: it counts for the median, but as no trial. */
const hasEnded = ({ caught, cut }: Hunt): boolean => caught !== undefined || !cut;

/** What has to be complained about, or undefined. */
function complaint(quarry: Quarry, hunts: readonly Hunt[]): string | undefined {
  const caught = hunts.flatMap((hunt) => (hunt.caught === undefined ? [] : [hunt.caught]));
  if (hunts.some(({ diverged }) => diverged)) return 'a schedule gave another trace the second time';
  const strange = caught.find(({ check }) => !quarry.accepted.includes(check));
  if (strange !== undefined) {
    return `${strange.check} fired, and the record names ${quarry.accepted.join(', ')}: ${strange.text}`;
  }
  if (hunts.length === 0) return 'not hunted: the budget was used up before';
  const ended = hunts.filter(hasEnded).length;
  if (ended === 0) return 'not found before the budget was used up';
  const missed = ended - caught.length;
  return missed === 0 ? undefined : `missed in ${missed} of ${ended}`;
}

/** One row of the score table. Hunts that were cut short say that nothing was found in the schedules they ran. */
export function scoreOf(quarry: Quarry, strategy: string, hunts: readonly Hunt[]): BugRow {
  const caught = hunts.flatMap((hunt) => (hunt.caught === undefined ? [] : [hunt.caught]));
  const median = (time: (hunt: Hunt) => number): number | undefined =>
    medianTime(kaplanMeier(hunts.map((hunt) => ({ time: time(hunt), event: hunt.caught !== undefined }))));
  const checks: Record<string, number> = {};
  for (const { check } of caught) checks[check] = (checks[check] ?? 0) + 1;
  const shrunk = caught.flatMap(({ shrunkTo }) => (shrunkTo === undefined ? [] : [shrunkTo]));
  const medianMs = median(({ ms }) => Math.max(ms, 1e-3));
  const wrong = complaint(quarry, hunts);
  return {
    name: quarry.name,
    id: quarry.id,
    scenario: quarry.scenario,
    strategy,
    found: caught.length,
    trials: hunts.filter(hasEnded).length,
    medianSchedules: median(({ schedules }) => Math.max(1, schedules)),
    maxSchedules: caught.length === 0 ? undefined : Math.max(...caught.map(({ schedules }) => schedules)),
    medianSeconds: medianMs === undefined ? undefined : medianMs / 1000,
    checks,
    preemptions: shrunk.length === 0 ? undefined : Math.max(...shrunk),
    token: caught[0]?.token,
    ...(wrong === undefined ? {} : { complaint: wrong }),
  };
}

/** A row of the clean engine: anything that is found is a false alarm, or a finding. */
export function cleanScoreOf(quarry: Quarry, strategy: string, hunts: readonly Hunt[]): BugRow {
  const { complaint: _, ...row } = scoreOf(quarry, strategy, hunts);
  const alarm = hunts.find(({ caught }) => caught !== undefined)?.caught;
  return {
    ...row,
    maxSchedules: hunts.reduce((sum, { schedules }) => sum + schedules, 0),
    ...(alarm === undefined ? {} : { complaint: `false alarm: ${alarm.check}: ${alarm.text}` }),
  };
}
