/** `splitstorm explore`: many schedules of a small machine under the controlled scheduler. */
import type { CommandModule } from 'yargs';
import { canary } from '../campaign/canary.ts';
import { makeOutcome } from '../campaign/outcome.ts';
import type { RunSpec } from '../campaign/run-spec.ts';
import { search } from '../campaign/search.ts';
import { loadStrategy } from '../campaign/strategies.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../check/all.ts';
import { makeJudge } from '../check/judge.ts';
import { parseBudget } from './explore-budget.ts';
import { exploreOutcome, progressState } from './explore-outcome.ts';
import { drawSeed, interruptible, Output } from './output.ts';
import { checkRecordConformance, RECORD_CONFORMANCE, writeConformance } from './record-conformance.ts';
import { SEARCH_OPTION } from './strategy-option.ts';
import { choose, scenarioFromArgs, withScenario } from './scenario-options.ts';
import { textOption } from './usage.ts';
import { checkScheduleOutput, SCHEDULE_OUTPUT, writeSchedule } from './write-schedule.ts';

export async function exploreCommand(
  args: readonly string[],
  version: string,
  done: (status: number) => void,
): Promise<CommandModule> {
  const scenario = args[0] === 'explore' ? await scenarioFromArgs(args, 'explore') : undefined;
  return {
    command: 'explore [scenario]',
    describe: 'search the interleavings of a small machine from a seed; what is found can be replayed',
    builder: (argv) => {
      if (scenario !== undefined) withScenario(argv, scenario, 'explore');
      return argv
        .option('schedules', {
          type: 'string',
          default: '10000',
          requiresArg: true,
          group: 'Run:',
          describe: 'schedules to run',
        })
        .option('from', {
          type: 'string',
          default: '0',
          requiresArg: true,
          group: 'Run:',
          describe: 'number of the first schedule',
        })
        .option('duration', {
          type: 'string',
          requiresArg: true,
          group: 'Run:',
          describe: 'stop after this long, e.g. 10m',
        })
        .option('stop-when-covered', {
          type: 'string',
          requiresArg: true,
          group: 'Run:',
          describe: 'stop when the next schedule is one known before with this probability, e.g. 0.99',
        })
        .option('keep-going', {
          type: 'boolean',
          default: false,
          group: 'Run:',
          describe: 'run all schedules, whatever fails',
        })
        .option('max-failures', {
          type: 'string',
          requiresArg: true,
          group: 'Run:',
          defaultDescription: '1',
          describe: 'stop after so many failing schedules',
        })
        .option('workers', {
          type: 'string',
          default: 'auto',
          requiresArg: true,
          group: 'Run:',
          describe: 'threads that search; auto: one for each core as soon as the search turns out to be long',
        })
        .options(SEARCH_OPTION)
        .option('twice', {
          type: 'boolean',
          default: false,
          group: 'Run:',
          describe:
            'run every schedule twice and compare the traces (the first ones and all failing ones always are)',
        })
        .options(SCHEDULE_OUTPUT)
        .options(RECORD_CONFORMANCE)
        .example('$0 explore', 'ten thousand schedules of the default scenario')
        .example('$0 explore nx-partial-reuse --variant never-flush-on-reuse --seed 1', 'find a known bug')
        .example('$0 explore two-roots --smep --vcpus 3 --schedules 1000000', 'a larger search');
    },
    handler: async (argv) => {
      const output = new Output(argv);
      const budget = parseBudget(argv);
      const strategy = await loadStrategy(String(argv['strategy']));
      checkScheduleOutput(argv);
      const chosen = await choose(argv, scenario!, 'explore', drawSeed);
      checkRecordConformance(argv, chosen.machine);
      const interrupt = interruptible(() => output.progress.clear());
      // Not AbortSignal.timeout(): held only by AbortSignal.any(), it may be collected before it fires (seen on Node 20).
      const clock = new AbortController();
      const timeout =
        budget.durationMs === undefined ? undefined : setTimeout(() => clock.abort(), budget.durationMs);
      const net = await canary();
      // With a dead net nothing is searched: whatever it let pass would mean nothing.
      const signals = [interrupt.signal, clock.signal, ...(net.alive ? [] : [AbortSignal.abort()])];
      const signal = AbortSignal.any(signals);
      const result = await search({
        ...chosen,
        ...budget,
        custom: chosen.scenario.actors,
        judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
        strategy,
        twice: argv['twice'] === true,
        signal,
        setup: {
          scenario: chosen.scenario.actors === undefined ? undefined : chosen.scenarioName,
          variants: chosen.variants,
        },
        onProgress: (progress) =>
          output.progress.update(progressState(`explore ${chosen.scenario.name}`, progress, budget)),
      });
      clearTimeout(timeout);
      interrupt.dispose();
      const outcome = makeOutcome({
        ...exploreOutcome(result, chosen, strategy, budget),
        version,
        canary: net,
        interrupted: interrupt.signal.aborted,
      });
      const first = result.failures[0];
      const text = first?.strategy ?? String(argv['strategy']);
      const spec: RunSpec = {
        ...chosen,
        custom: chosen.scenario.actors,
        idle: new Set(),
        schedule: first?.schedule ?? budget.from,
        plan: { strategy: await loadStrategy(text), text },
      };
      if (first !== undefined) writeSchedule(output, textOption(argv, 'write-schedule'), chosen, spec);
      // The first schedule that failed, or the first of all.
      if (net.alive) writeConformance(output, textOption(argv, 'record-conformance'), spec);
      output.finish(outcome);
      done(outcome.exitStatus);
    },
  };
}
