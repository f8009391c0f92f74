/** `splitstorm explore`: many schedules of a small machine under the controlled scheduler. */
import type { CommandModule } from 'yargs';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../check/all.ts';
import { makeJudge } from '../check/judge.ts';
import { controlledStatistics } from '../campaign/controlled-statistics.ts';
import { checkIds, makeOutcome } from '../campaign/outcome.ts';
import { search } from '../campaign/search.ts';
import { tokenOf } from '../campaign/tokens.ts';
import { strategyText } from '../explore/strategies/index.ts';
import { formatCount } from '../report/text.ts';
import type { Violation } from '../runtime/outcome.ts';
import { parseCount, parseDuration } from './duration.ts';
import { drawSeed, interruptible, Output } from './output.ts';
import { textOption } from './usage.ts';
import { parseStrategy } from '../explore/strategies/index.ts';
import { strategyArgument, SEARCH_OPTION } from './strategy-option.ts';
import { asOptions, choose, reproduceCommand, scenarioFromArgs, withScenario } from './scenario-options.ts';

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
        .option('max-failures', {
          type: 'string',
          default: '1',
          requiresArg: true,
          group: 'Run:',
          describe: 'stop after so many failing schedules',
        })
        .options(SEARCH_OPTION)
        .option('twice', {
          type: 'boolean',
          default: false,
          group: 'Run:',
          describe:
            'run every schedule twice and compare the traces (the first ones and all failing ones always are)',
        })
        .example('$0 explore', 'ten thousand schedules of the default scenario')
        .example('$0 explore nx-partial-reuse --variant never-flush-on-reuse --seed 1', 'find a known bug')
        .example('$0 explore two-roots --smep --vcpus 3 --schedules 1000000', 'a larger search');
    },
    handler: async (argv) => {
      const output = new Output(argv);
      const schedules = parseCount(argv['schedules'], 'schedules', 1, 2 ** 31 - 1);
      const from = parseCount(argv['from'], 'from', 0, 2 ** 31 - 1);
      const maxFailures = parseCount(argv['max-failures'], 'max-failures', 1, 1e6);
      const duration = textOption(argv, 'duration');
      const durationMs = duration === undefined ? undefined : parseDuration(duration, 'duration');
      const strategy = asOptions(() => parseStrategy(String(argv['strategy'])));
      const chosen = await choose(argv, scenario!, 'explore', drawSeed);
      const interrupt = interruptible(() => output.progress.clear());
      // Not AbortSignal.timeout(): held only by AbortSignal.any(), it may be collected before it fires (seen on Node 20).
      const clock = new AbortController();
      const timeout = durationMs === undefined ? undefined : setTimeout(() => clock.abort(), durationMs);
      const signal = AbortSignal.any([interrupt.signal, clock.signal]);
      const result = await search({
        ...chosen,
        custom: chosen.scenario.actors,
        judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
        from,
        schedules,
        maxFailures,
        strategy,
        twice: argv['twice'] === true,
        signal,
        onProgress: (progress) => {
          const rate = progress.schedules / Math.max(1, progress.elapsedMs);
          output.progress.update({
            label: `explore ${chosen.scenario.name}`,
            elapsedMs: progress.elapsedMs,
            fraction: progress.schedules / schedules,
            remainingMs: (schedules - progress.schedules) / rate,
            figures: [
              ['schedules', progress.schedules],
              ['/s', Math.round(rate * 1000)],
            ],
            violations: progress.failures,
          });
        },
      });
      clearTimeout(timeout);
      interrupt.dispose();
      const violations: Violation[] = result.failures.map((failure) => ({
        ...failure.violation,
        text: `schedule ${failure.schedule}: ${failure.violation.text}`,
      }));
      const first = result.failures[0];
      const named = strategyArgument(strategy);
      const token =
        first === undefined
          ? undefined
          : tokenOf({
              ...chosen,
              idle: new Set(),
              plan: { strategy: first.strategy },
              schedule: first.schedule,
              steps: first.steps,
              hash: first.hash,
            });
      const caveats = Object.entries(result.byCheck).map(
        ([id, count]) =>
          `${id} was broken in ${formatCount(count)} of ${formatCount(result.schedules)} schedules`,
      );
      if (result.truncated > 0)
        caveats.push(`${formatCount(result.truncated)} schedules were cut off at the step limit`);
      for (const difference of result.differences) caveats.push(`determinism is broken: ${difference}`);
      if (result.diverged.length > result.differences.length)
        caveats.push(
          `determinism is broken in ${formatCount(result.diverged.length)} schedules; the first are told`,
        );
      const outcome = makeOutcome({
        kind: 'explore',
        version,
        scenario: chosen.scenario,
        machine: chosen.machine,
        variants: chosen.variants,
        seed: chosen.seed,
        mode: 'controlled',
        threads: 1,
        traceHash: result.hash,
        reproduce:
          first === undefined
            ? reproduceCommand('explore', chosen, [...named, `--from ${from}`, `--schedules ${schedules}`])
            : token === undefined
              ? reproduceCommand('replay', chosen, [
                  ...strategyArgument(first.strategy),
                  `--schedule ${first.schedule}`,
                ])
              : `npx splitstorm replay ${token}`,
        token,
        durationMs: result.elapsedMs,
        exploration: {
          strategy: strategyText(strategy),
          schedules: result.schedules,
          steps: result.steps,
          truncated: result.truncated,
        },
        violations,
        checksRan: checkIds([...ALL_STATE_CHECKS, ...ALL_STEP_CHECKS]),
        inspections: result.schedules,
        statistics: controlledStatistics(
          result.runtime,
          result.steps,
          violations.map((violation) => violation.id),
        ),
        actors: result.runtime.cpus.map((cpu) => ({ name: cpu.name, class: cpu.cls, status: 'done' })),
        caveats,
        failed: result.diverged.length > 0,
        inconclusive: result.schedules === 0,
        interrupted: interrupt.signal.aborted,
      });
      output.finish(outcome);
      done(outcome.exitStatus);
    },
  };
}
