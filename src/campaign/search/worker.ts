/** What a thread of a search does: sets itself up once, then runs one shard after the other. */
import { Piscina } from 'piscina';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../check/all.ts';
import { makeJudge } from '../../check/judge.ts';
import type { Layout } from '../../arena/layout.ts';
import { masterSeed } from '../../cpu/random.ts';
import { ControlledRuntime } from '../../runtime/controlled.ts';
import type { Machine } from '../../scenario/build.ts';
import { loadScenario } from '../../scenario/load.ts';
import { loadStrategy } from '../strategies.ts';
import { loadEngine } from '../variants.ts';
import type { WorkerData } from './pool.ts';
import { ShardRunner, type ShardReply, type ShardTask } from './shard.ts';
import { SearchSignals } from './shared.ts';

let ready: Promise<{ runner: ShardRunner; signals: SearchSignals }> | undefined;

async function setUp(): Promise<{ runner: ShardRunner; signals: SearchSignals }> {
  const { setup, signals } = Piscina.workerData as WorkerData;
  const runtime = new ControlledRuntime({
    machine: setup.machine as Machine,
    layout: setup.layout as Layout,
    engine: await loadEngine(setup.variants),
    custom: setup.scenario === undefined ? undefined : (await loadScenario(setup.scenario)).actors,
    judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
    without: new Set(setup.without),
    ...(setup.livelockSteps === undefined ? {} : { livelockSteps: setup.livelockSteps }),
  });
  const strategy = await loadStrategy(setup.strategy);
  const runner = new ShardRunner(runtime, masterSeed(setup.seed), strategy, setup.coverage);
  return { runner, signals: new SearchSignals(signals) };
}

export async function runShard(task: ShardTask): Promise<ShardReply> {
  ready ??= setUp();
  const { runner, signals } = await ready;
  const run = runner.begin(task);
  while (!run.ended && !signals.stopped(task.number)) {
    const failed = run.failed;
    run.advance();
    signals.count(1, run.failed - failed);
  }
  return run.reply();
}
