/**
 * Does each check ever look at anything? Runs some schedules of every shipped scenario under block coverage and counts, for
 * every place in the sources that reports an invariant, how often control came to the decision whether to report.
 *
 *     node --import tsx scripts/check-activity.ts [--schedules 20] [--variant p1] [--share] [--write]
 *
 * `--share` measures, with the sampling profiler, which part of the run each file of checks takes; `--write` puts everything
 * into docs/check-activity.json, which docs/checks.md is made from. Exit status 1 if an invariant was never looked at.
 */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { addReportSites, inclusiveShares, type Activity } from './activity.ts';

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '20' },
    variant: { type: 'string', default: 'p1' },
    share: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
const schedules = Number(values.schedules);

const session = new Session();
session.connect();
await session.post('Debugger.enable');
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

// Only what is loaded from here on is counted in blocks.
const { ALL_STATE_CHECKS, ALL_STEP_CHECKS, INVARIANTS } = await import('../src/check/all.ts');
const { makeJudge } = await import('../src/check/judge.ts');
const { loadScenario, shippedScenarios } = await import('../src/scenario/load.ts');
const { ControlledRuntime } = await import('../src/runtime/controlled.ts');
const { buildMachine, layoutThatFits } = await import('../src/scenario/build.ts');
const { RandomWalk } = await import('../src/explore/strategies/random-walk.ts');
const { engineOf, findVariant } = await import('../src/variants/index.ts');

const engine = engineOf([findVariant(values.variant)!]);

async function runAll(count: number): Promise<void> {
  for (const name of shippedScenarios()) {
    const scenario = await loadScenario(name);
    const machine = buildMachine(scenario, 'explore', {});
    const judge = makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS });
    const layout = layoutThatFits(machine, 2 ** 31);
    const runtime = new ControlledRuntime({ machine, layout, engine, judge, custom: scenario.actors });
    const walk = new RandomWalk(5);
    for (let schedule = 0; schedule < count; schedule++) {
      const [violation] = runtime.run(walk, 5, schedule).violations;
      if (violation !== undefined)
        process.stderr.write(`${name}, schedule ${schedule}: ${violation.id}: ${violation.text}\n`);
    }
  }
}

await runAll(schedules);
const coverage = await session.post('Profiler.takePreciseCoverage');
const activity: Activity = { schedules, variant: values.variant, looked: {}, files: {}, shares: {} };
for (const script of coverage.result) {
  const file = /\/(src\/(?:check|mmu|actors|locks)\/.*\.ts)$/.exec(script.url)?.[1];
  if (file === undefined) continue;
  const { scriptSource } = await session.post('Debugger.getScriptSource', { scriptId: script.scriptId });
  addReportSites(activity, file, scriptSource, script);
}
if (values.share) {
  await session.post('Profiler.stopPreciseCoverage');
  await session.post('Debugger.disable');
  await runAll(schedules);
  await session.post('Profiler.setSamplingInterval', { interval: 500 });
  await session.post('Profiler.start');
  await runAll(5 * schedules);
  const { profile } = await session.post('Profiler.stop');
  activity.shares = inclusiveShares(profile);
}
session.disconnect();

const never = INVARIANTS.filter(({ id }) => (activity.looked[id] ?? 0) === 0).map(({ id }) => id);
for (const { id } of INVARIANTS)
  process.stdout.write(
    `${id.padEnd(4)}${String(activity.looked[id] ?? 0).padStart(8)}  ${(activity.files[id] ?? []).join(' ')}\n`,
  );
if (never.length > 0) process.stdout.write(`never looked at: ${never.join(' ')}\n`);
if (values.write) {
  const path = fileURLToPath(new URL('../docs/check-activity.json', import.meta.url));
  writeFileSync(path, `${JSON.stringify(activity, undefined, 2)}\n`);
}
process.exitCode = never.length > 0 ? 1 : 0;
