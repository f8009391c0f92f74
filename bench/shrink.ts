/** What shrinking costs (issue "The explorer", point 11): planted bugs, found by the random walk and shrunk without the certificate. */
import { search } from '../src/campaign/search.ts';
import { shrinkFailure } from '../src/campaign/shrink-failure.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../src/check/all.ts';
import { makeJudge } from '../src/check/judge.ts';
import { parseStrategy } from '../src/explore/strategies/index.ts';
import { buildMachine, layoutThatFits } from '../src/scenario/build.ts';
import { loadScenario } from '../src/scenario/load.ts';
import { engineOf, findVariant } from '../src/variants/index.ts';

const BUGS = ['never-flush-on-reuse', 'skip-wrprot-if-not-writable', 'no-restart-after-eagain'];
const MAX_REPLAYS = 200;
const MAX_SHRINK_MS = 2000;

interface Judged {
  readonly what: string;
  readonly value: string;
  readonly target: string;
  readonly met: boolean;
}

/** What it takes to shrink planted bugs, without the certificate. */
export async function shrink(): Promise<Judged[]> {
  const rows: Judged[] = [];
  for (const name of BUGS) {
    const variant = findVariant(name)!;
    const scenario = await loadScenario(variant.scenario ?? 'nested-migration');
    const machine = buildMachine(scenario, 'explore', variant.parameters);
    const base = {
      machine,
      layout: layoutThatFits(machine, 2 ** 32),
      engine: engineOf([variant]),
      custom: scenario.actors,
      without: new Set(['D24']),
      seed: '1',
    };
    const strategy = parseStrategy('random-walk');
    const { failures } = await search({
      ...base,
      strategy,
      judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
      from: 0,
      schedules: 20_000,
      maxFailures: 1,
      twice: false,
      signal: new AbortController().signal,
    });
    const [failure] = failures;
    if (failure === undefined) throw new Error(`${name} was not found`);
    const { replays, elapsedMs, before, result } = shrinkFailure({
      spec: { ...base, idle: new Set(), schedule: failure.schedule, plan: { strategy } },
      scenario,
      given: {},
      maxReplays: 10_000,
      maxCertificate: 0,
      keepWorkload: true,
    });
    rows.push(
      {
        what: `shrink ${name}, replays`,
        value: `${replays} (${before.preemptions} to ${result.preemptions} preemptions)`,
        target: `<= ${MAX_REPLAYS}`,
        met: replays <= MAX_REPLAYS,
      },
      {
        what: `shrink ${name}, time`,
        value: `${elapsedMs.shrinking.toFixed(0)} ms`,
        target: `<= ${MAX_SHRINK_MS} ms`,
        met: elapsedMs.shrinking <= MAX_SHRINK_MS,
      },
    );
  }
  return rows;
}
