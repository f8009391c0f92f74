/**
 * Parts of a clean campaign, in a process of their own: schedules of one scenario under one profile after another, each for a
 * given time. One process for all profiles of a scenario: they share its warmed-up code.
 */
import { argv, cpuUsage } from 'node:process';
import { search } from '../src/campaign/search.ts';
import { tokenOf } from '../src/campaign/tokens.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../src/check/all.ts';
import { makeJudge } from '../src/check/judge.ts';
import { parseStrategy } from '../src/explore/strategies/index.ts';
import { buildMachine, layoutThatFits } from '../src/scenario/build.ts';
import { loadScenario } from '../src/scenario/load.ts';
import { engineOf, findVariant } from '../src/variants/index.ts';
import type { Part, PartOrder } from './campaign-state.ts';

/** After so many failing schedules the part ends: they are the same ones as a rule. */
const MAX_FAILURES = 20;

const orders = JSON.parse(argv[2]!) as readonly PartOrder[];
const strategy = parseStrategy('random-walk');
const stop = new AbortController();
process.on('disconnect', () => stop.abort());
process.on('message', () => stop.abort());
process.on('SIGINT', () => undefined); // the parent says when to stop

const busyMs = (): number => (cpuUsage().user + cpuUsage().system) / 1000;

async function run(order: PartOrder): Promise<Part> {
  const scenario = await loadScenario(order.scenario);
  const machine = buildMachine(scenario, 'explore', {});
  const variant = findVariant(order.variant);
  if (variant === undefined) throw new Error(`there is no variant ${order.variant}`);
  const over = new AbortController();
  const began = busyMs();
  const result = await search({
    machine,
    layout: layoutThatFits(machine, 2 ** 31),
    engine: engineOf([variant]),
    custom: scenario.actors,
    judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
    seed: order.seed,
    from: order.from,
    schedules: order.schedules,
    maxFailures: MAX_FAILURES,
    strategy,
    twice: false,
    signal: over.signal,
    onProgress: () => {
      if (stop.signal.aborted || busyMs() - began > order.cpuMs) over.abort();
    },
  });
  return {
    scenario: order.scenario,
    variant: order.variant,
    seed: order.seed,
    from: order.from,
    schedules: result.schedules,
    steps: result.steps,
    truncated: result.truncated,
    diverged: result.diverged.length,
    hash: result.hash,
    cpuMs: Math.round(busyMs() - began),
    violations: result.failures.map((failure) => ({
      id: failure.violation.id,
      text: failure.violation.text,
      schedule: failure.schedule,
      token:
        tokenOf({
          machine,
          scenarioFile: undefined,
          variants: [order.variant],
          given: {},
          without: new Set(),
          idle: new Set(),
          plan: { strategy, excerpt: failure.excerpt },
          seed: order.seed,
          schedule: failure.schedule,
          steps: failure.steps,
          hash: failure.hash,
        }) ?? '',
    })),
  };
}

for (const order of orders) {
  if (stop.signal.aborted) break;
  process.send!(await run(order));
}
process.disconnect();
