/** `splitstorm replay`: one run again, by token, schedule file, or seed and number, with its trace. */
import type { CommandModule } from 'yargs';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../check/all.ts';
import { checkIds, makeOutcome } from '../campaign/outcome.ts';
import { replayRun, type ReplayedRun } from '../campaign/replay.ts';
import { divergence, tokenOf } from '../campaign/tokens.ts';
import { ScheduleFileError } from '../explore/schedule-reader.ts';
import { renderTrace, shownActors } from '../report/trace.ts';
import type { Outcome } from '../report/schema.ts';
import { verdictLine } from '../report/terminal.ts';
import { parseCount } from './duration.ts';
import { Output } from './output.ts';
import { checkRecordConformance, RECORD_CONFORMANCE, writeConformance } from './record-conformance.ts';
import { chooseRun, planText, runArguments, withRun, type ChosenRun } from './run-options.ts';
import { reproduceCommand, scenarioFromArgs } from './scenario-options.ts';
import { stepThrough } from './step-through.ts';
import type { Target } from './target.ts';
import { HarnessError, textOption } from './usage.ts';
import { checkScheduleOutput, SCHEDULE_OUTPUT, writeSchedule } from './write-schedule.ts';

/** Columns of a trace: the terminal's, or in a pipe as many as the columns need. */
export const traceWidth = (width: number, actors: number): number =>
  process.stdout.isTTY ? width : Math.max(width, 8 + TRACE_COLUMN * actors);
const TRACE_COLUMN = 40;

export async function replayCommand(
  args: readonly string[],
  target: Target | undefined,
  version: string,
  done: (status: number) => void,
): Promise<CommandModule> {
  const scenario = args[0] === 'replay' ? await scenarioFromArgs(args, 'explore') : undefined;
  return {
    command: 'replay [scenario]',
    describe:
      'make one run again, by its token, its schedule file or its seed and number, twice, and show what happened',
    builder: (argv) => {
      if (scenario !== undefined) withRun(argv, scenario);
      return argv
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
        .option('step-through', {
          type: 'boolean',
          default: false,
          group: 'Run:',
          describe: 'walk through the run forward and back, with what each step changed',
        })
        .option('lenient', {
          type: 'boolean',
          default: false,
          group: 'Run:',
          describe: 'play it on changed code as far as it applies, and judge what comes of it',
        })
        .options(SCHEDULE_OUTPUT)
        .options(RECORD_CONFORMANCE)
        .example('$0 replay TOKEN --last 60', 'the end of a failure')
        .example('$0 replay failure.schedule --variant p1 --lenient', 'does the fixed engine survive it?');
    },
    handler: async (argv) => {
      const output = new Output(argv);
      const last = parseCount(argv['last'], 'last', 0, 1e9);
      checkScheduleOutput(argv);
      const chosen = await chooseRun(argv, scenario!, target);
      checkRecordConformance(argv, chosen.machine);
      const lenient = argv['lenient'] === true;
      const began = performance.now();
      const replay = replayRun(chosen.spec, lenient ? undefined : target?.file);
      if ('mismatch' in replay) {
        const { kind, text } = replay.mismatch;
        const message = `schedule file ${target!.text}: ${text}; --lenient plays it all the same`;
        throw kind === 'bad-input' ? new ScheduleFileError(message) : new HarnessError(message);
      }
      const walks = argv['step-through'] === true;
      if (walks) await stepThrough(output, chosen.spec);
      else if (argv['trace'] === true) printTrace(output, replay, last);
      const differs =
        lenient || target?.token === undefined
          ? undefined
          : divergence(target.token, chosen.machine, replay.result);
      const outcome = outcomeOf(
        version,
        target,
        chosen,
        replay,
        performance.now() - began,
        [
          ...(replay.same ? [] : ['the two runs differ: determinism is broken']),
          ...(differs === undefined ? [] : [`this is not the run of the token: ${differs}`]),
          ...(lenient ? ['played leniently: this need not be the run that was recorded'] : []),
        ],
        differs !== undefined,
      );
      writeSchedule(output, textOption(argv, 'write-schedule'), chosen, chosen.spec);
      writeConformance(output, textOption(argv, 'record-conformance'), chosen.spec);
      if (walks) output.line(verdictLine(outcome));
      else output.finish(outcome);
      done(outcome.exitStatus);
    },
  };
}

function printTrace(output: Output, { rows, runtime }: ReplayedRun, last: number): void {
  const shown = last > 0 ? rows.slice(-last) : rows;
  const names = runtime.cpus.map((cpu) => cpu.name);
  const width = traceWidth(output.width, shownActors(shown, names.length).length);
  for (const line of renderTrace(shown, { actors: names, width, color: output.color })) output.line(line);
  output.line('');
}

/** A schedule file and overrides cannot be said with options. */
function reproduce(chosen: ChosenRun, token: string | undefined, target: Target | undefined): string {
  if (target?.file !== undefined) return `npx splitstorm replay ${target.text}`;
  if (token !== undefined && 'overrides' in chosen.spec.plan) return `npx splitstorm replay ${token}`;
  return reproduceCommand('replay', chosen, runArguments(chosen.spec));
}

function outcomeOf(
  version: string,
  target: Target | undefined,
  chosen: ChosenRun,
  { result, same, plan, runtime, measures }: ReplayedRun,
  durationMs: number,
  caveats: readonly string[],
  differs: boolean,
): Outcome {
  const { spec } = chosen;
  const token = tokenOf({ ...chosen, ...spec, plan, steps: result.steps, hash: result.hash });
  const ids = result.violations.map((violation) => violation.id);
  return makeOutcome({
    kind: 'replay',
    version,
    scenario: chosen.scenario,
    machine: chosen.machine,
    variants: chosen.variants,
    seed: chosen.seed,
    mode: 'controlled',
    threads: 1,
    traceHash: result.hash,
    reproduce: reproduce(chosen, token, target),
    token,
    durationMs,
    violations: result.violations,
    exploration: {
      strategy: planText(spec.plan),
      schedules: 1,
      steps: result.steps,
      truncated: result.truncated ? 1 : 0,
    },
    checksRan: checkIds([...ALL_STATE_CHECKS, ...ALL_STEP_CHECKS]),
    inspections: 1,
    statistics: measures.statistics(runtime, result.steps, ids),
    actors: runtime.cpus.map((cpu) => ({ name: cpu.name, class: cpu.cls, status: 'done' })),
    caveats,
    failed: !same || differs,
    inconclusive: result.truncated,
    interrupted: false,
  });
}
