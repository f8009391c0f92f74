/**
 * What the checks catch: each bug variant hunted by the random walk from several seeds, and its replay.
 *
 *     node --import tsx scripts/catches.ts [--seeds 20] [--budget 20000] [--replays 100]
 *
 * Prints a Markdown table. Exit status 1 if a variant was missed or a replay differed.
 */
import { parseArgs } from 'node:util';
import { replaySchedule, search } from '../src/campaign/search.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../src/check/all.ts';
import { makeJudge } from '../src/check/judge.ts';
import { parseStrategy } from '../src/explore/strategies/index.ts';
import { buildMachine, layoutThatFits } from '../src/scenario/build.ts';
import { loadScenario } from '../src/scenario/load.ts';
import { engineOf, VARIANTS } from '../src/variants/index.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    budget: { type: 'string', default: '20000' },
    replays: { type: 'string', default: '100' },
  },
});
const [seeds, budget, replays] = [Number(values.seeds), Number(values.budget), Number(values.replays)];

/** Flush accounting alone would give the flush bugs away at once; what matters is that the damage is seen too. */
const ACCOUNTING = new Set(['D24']);

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;

let missed = 0;
const rows = [
  '| variant | scenario | found | schedules to find, median (max) | by | without flush accounting | replays that agree |',
  '|---|---|---|---|---|---|---|',
];
for (const variant of VARIANTS.filter((candidate) => candidate.kind === 'bug')) {
  const scenario = await loadScenario(variant.scenario ?? 'nested-migration');
  const machine = buildMachine(scenario, 'explore', variant.parameters);
  const base = {
    machine,
    layout: layoutThatFits(machine, 2 ** 32),
    engine: engineOf([variant]),
    custom: undefined,
    strategy: parseStrategy('random-walk'),
  };
  const judge = () => makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS });
  const hunt = (seed: string, without: ReadonlySet<string>) =>
    search({
      ...base,
      judge: judge(),
      seed,
      without,
      from: 0,
      schedules: budget,
      maxFailures: 1,
      twice: false,
      signal: new AbortController().signal,
    });

  const found: number[] = [];
  const ids = new Map<string, number>();
  const deeper = new Map<string, number>();
  let agreed = 0;
  let replayed = 0;
  for (let i = 1; i <= seeds; i++) {
    const seed = String(i);
    const failure = (await hunt(seed, new Set())).failures[0];
    if (failure === undefined) continue;
    found.push(failure.schedule + 1);
    ids.set(failure.violation.id, (ids.get(failure.violation.id) ?? 0) + 1);
    const other = (await hunt(seed, ACCOUNTING)).failures[0];
    if (other !== undefined) deeper.set(other.violation.id, (deeper.get(other.violation.id) ?? 0) + 1);
    if (i > 1) continue;
    for (let again = 0; again < replays; again += 2) {
      const { result, same } = replaySchedule({ ...base, judge: judge(), seed, schedule: failure.schedule });
      replayed += 2;
      if (same && result.hash === failure.hash && result.violations[0]?.id === failure.violation.id)
        agreed += 2;
    }
  }
  if (found.length < seeds || agreed < replayed) missed++;
  const list = (map: ReadonlyMap<string, number>): string =>
    [...map].map(([id, count]) => `${id} ${count}`).join(', ');
  rows.push(
    `| ${variant.name} | ${scenario.name} | ${found.length} of ${seeds} | ${median(found)} (${Math.max(...found)}) | ${list(ids)} | ${list(deeper)} | ${agreed} of ${replayed} |`,
  );
  process.stderr.write(`${rows[rows.length - 1]}\n`);
}
process.stdout.write(`${rows.join('\n')}\n`);
process.exitCode = missed > 0 ? 1 : 0;
