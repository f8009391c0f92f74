/** `splitstorm replay`: one schedule again, by seed and number, with its trace. */
import type { CommandModule } from 'yargs';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../check/all.ts';
import { fanOut } from '../check/fan-out.ts';
import { makeJudge } from '../check/judge.ts';
import { ControlledMeasures } from '../campaign/controlled-statistics.ts';
import { checkIds, makeOutcome } from '../campaign/outcome.ts';
import { replaySchedule } from '../campaign/search.ts';
import { TraceRecorder } from '../campaign/trace-recorder.ts';
import { divergence, parseExpectation, tokenOf } from '../campaign/tokens.ts';
import { parseStrategy, strategyText } from '../explore/strategies/index.ts';
import { renderTrace, shownActors } from '../report/trace.ts';
import type { ControlledRuntime } from '../runtime/controlled.ts';
import { parseCount } from './duration.ts';
import { Output } from './output.ts';
import { refusePortfolio, strategyArgument, STRATEGY_OPTION } from './strategy-option.ts';
import { asOptions, choose, reproduceCommand, scenarioFromArgs, withScenario } from './scenario-options.ts';
import { textOption, UsageError } from './usage.ts';

/** Columns of a trace: the terminal's, or in a pipe as many as the columns need. */
const traceWidth = (width: number, actors: number): number =>
  process.stdout.isTTY ? width : Math.max(width, 8 + TRACE_COLUMN * actors);
const TRACE_COLUMN = 40;

export async function replayCommand(
  args: readonly string[],
  version: string,
  done: (status: number) => void,
): Promise<CommandModule> {
  const scenario = args[0] === 'replay' ? await scenarioFromArgs(args, 'explore') : undefined;
  return {
    command: 'replay [scenario]',
    describe: 'run one schedule again, by its token or its seed and number, twice, and show what happened',
    builder: (argv) => {
      if (scenario !== undefined) withScenario(argv, scenario, 'explore');
      return argv
        .option('schedule', {
          type: 'string',
          default: '0',
          requiresArg: true,
          group: 'Run:',
          describe: 'number of the schedule',
        })
        .options(STRATEGY_OPTION)
        .option('expect', { type: 'string', hidden: true })
        .option('trace', {
          type: 'boolean',
          default: true,
          group: 'Run:',
          describe: 'print every visible operation; --no-trace leaves it out',
        })
        .option('last', {
          type: 'string',
          default: '0',
          requiresArg: true,
          group: 'Run:',
          describe: 'only the last so many operations; 0: all',
        })
        .example(
          '$0 replay nx-partial-reuse --variant never-flush-on-reuse --seed 1 --schedule 3 --last 60',
          'the end of a failure',
        );
    },
    handler: async (argv) => {
      const output = new Output(argv);
      const schedule = parseCount(argv['schedule'], 'schedule', 0, 2 ** 31 - 1);
      const last = parseCount(argv['last'], 'last', 0, 1e9);
      if (argv['seed'] === undefined) throw new UsageError('--seed: needed to replay; explore prints it');
      const strategy = refusePortfolio(asOptions(() => parseStrategy(String(argv['strategy']))));
      const chosen = await choose(argv, scenario!, 'explore', () => '');
      const judge = makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS });
      let runtime: ControlledRuntime | undefined;
      let measures: ControlledMeasures | undefined;
      const recorder = new TraceRecorder(() => runtime!.kvm);
      const began = performance.now();
      const replay = replaySchedule({
        ...chosen,
        custom: chosen.scenario.actors,
        judge,
        strategy,
        schedule,
        listener: recorder,
        onRuntime: (made) => {
          runtime = made;
          measures = new ControlledMeasures(made);
          made.kvm.observer = fanOut([made.kvm.observer, recorder.events]);
        },
      });
      const { result, same } = replay;
      const expected = parseExpectation(textOption(argv, 'expect') ?? '');
      const differs = expected === undefined ? undefined : divergence(expected, chosen.machine, result);
      const named = strategyArgument(strategy);
      if (argv['trace'] === true) {
        const rows = last > 0 ? recorder.rows.slice(-last) : recorder.rows;
        const names = replay.runtime.cpus.map((cpu) => cpu.name);
        for (const line of renderTrace(rows, {
          actors: names,
          width: traceWidth(output.width, shownActors(rows, names.length).length),
          color: output.color,
        }))
          output.line(line);
        output.line('');
      }
      const outcome = makeOutcome({
        kind: 'replay',
        version,
        scenario: chosen.scenario,
        machine: chosen.machine,
        variants: chosen.variants,
        seed: chosen.seed,
        mode: 'controlled',
        threads: 1,
        traceHash: result.hash,
        reproduce: reproduceCommand('replay', chosen, [...named, `--schedule ${schedule}`]),
        token: tokenOf({ ...chosen, chosen: strategy, schedule, steps: result.steps, hash: result.hash }),
        durationMs: performance.now() - began,
        violations: result.violations,
        exploration: {
          strategy: strategyText(strategy),
          schedules: 1,
          steps: result.steps,
          truncated: result.truncated ? 1 : 0,
        },
        checksRan: checkIds([...ALL_STATE_CHECKS, ...ALL_STEP_CHECKS]),
        inspections: 1,
        statistics: measures!.statistics(
          replay.runtime,
          result.steps,
          result.violations.map((violation) => violation.id),
        ),
        actors: replay.runtime.cpus.map((cpu) => ({ name: cpu.name, class: cpu.cls, status: 'done' })),
        caveats: [
          ...(same ? [] : ['the two runs differ: determinism is broken']),
          ...(differs === undefined ? [] : [`this is not the run of the token: ${differs}`]),
        ],
        failed: !same || differs !== undefined,
        inconclusive: result.truncated,
        interrupted: false,
      });
      output.finish(outcome);
      done(outcome.exitStatus);
    },
  };
}
