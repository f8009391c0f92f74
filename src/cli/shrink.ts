/** `splitstorm shrink`: the fewest switches with which a failing schedule still fails. */
import type { CommandModule } from 'yargs';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../check/all.ts';
import { makeJudge } from '../check/judge.ts';
import { shrinkFailure } from '../campaign/shrink-failure.ts';
import { NotReproduced } from '../explore/shrink.ts';
import { parseStrategy } from '../explore/strategies/index.ts';
import { formatCount, plural } from '../report/text.ts';
import { renderTrace, shownActors } from '../report/trace.ts';
import { parseCount } from './duration.ts';
import { Output } from './output.ts';
import { asOptions, choose, scenarioFromArgs, withScenario } from './scenario-options.ts';
import { refusePortfolio, STRATEGY_OPTION } from './strategy-option.ts';
import { UsageError } from './usage.ts';

const TRACE_COLUMN = 40;

export async function shrinkCommand(
  args: readonly string[],
  done: (status: number) => void,
): Promise<CommandModule> {
  const scenario = args[0] === 'shrink' ? await scenarioFromArgs(args, 'explore') : undefined;
  return {
    command: 'shrink [scenario]',
    describe: 'find the fewest switches with which a failing schedule still fails; takes a token like replay',
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
        .option('replays', {
          type: 'string',
          default: '200',
          requiresArg: true,
          group: 'Run:',
          describe: 'runs to spend on leaving things out',
        })
        .option('certificate', {
          type: 'string',
          default: '20000',
          requiresArg: true,
          group: 'Run:',
          describe: 'schedules to spend on proving that fewer preemptions do not fail; 0: none',
        })
        .option('last', {
          type: 'string',
          default: '60',
          requiresArg: true,
          group: 'Run:',
          describe: 'operations of the minimal schedule to show; 0: all',
        })
        .example('$0 shrink TOKEN', 'shrink what explore has found');
    },
    handler: async (argv) => {
      const output = new Output(argv);
      const schedule = parseCount(argv['schedule'], 'schedule', 0, 2 ** 31 - 1);
      const maxReplays = parseCount(argv['replays'], 'replays', 1, 1e6);
      const maxCertificate = parseCount(argv['certificate'], 'certificate', 0, 1e9);
      const last = parseCount(argv['last'], 'last', 0, 1e9);
      if (argv['seed'] === undefined) throw new UsageError('--seed: needed to shrink; a token has it');
      const strategy = refusePortfolio(asOptions(() => parseStrategy(String(argv['strategy']))));
      const chosen = await choose(argv, scenario!, 'explore', () => '');
      const began = performance.now();
      let found;
      try {
        found = shrinkFailure({
          ...chosen,
          custom: chosen.scenario.actors,
          judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
          strategy,
          schedule,
          maxReplays,
          maxCertificate,
        });
      } catch (error) {
        if (error instanceof NotReproduced)
          throw new UsageError(`${error.message}: there is nothing to shrink`);
        throw error;
      }
      const { shrunk, result, rows, runtime } = found;
      const names = runtime.cpus.map((cpu) => cpu.name);
      const shown = last > 0 ? rows.slice(-last) : rows;
      const width = process.stdout.isTTY
        ? output.width
        : Math.max(output.width, 8 + TRACE_COLUMN * shownActors(shown, names.length).length);
      for (const line of renderTrace(shown, { actors: names, width, color: output.color })) output.line(line);
      const { before, certificate } = shrunk;
      const violation = result.violations[0];
      output.line('');
      if (violation !== undefined) output.line(`${violation.id}: ${violation.text}`);
      output.line(
        `Shrunk from ${plural(before.preemptions, 'preemption')} and ${plural(before.overrides, 'override')} in ${plural(before.steps, 'step')} ` +
          `to ${plural(result.preemptions, 'preemption')} and ${plural(shrunk.overrides.length, 'override')} in ${plural(result.steps, 'step')}, ` +
          `with ${plural(shrunk.replays, 'replay')} in ${formatCount(Math.round(performance.now() - began))} ms.`,
      );
      for (const { actor, op, next } of shrunk.overrides) {
        const who = actor < 0 ? 'At the start' : `After ${plural(op, 'operation')} of ${names[actor]}`;
        output.line(`  ${who}: ${names[next]} goes on.`);
      }
      output.line(certificateText(result.preemptions, certificate));
      done(1);
    },
  };
}

function certificateText(
  preemptions: number,
  { verdict, exhausted, schedules }: { verdict: 'minimal' | 'bound'; exhausted: number; schedules: number },
): string {
  if (preemptions === 0) return 'It needs no preemption at all.';
  if (verdict === 'minimal') {
    return `No schedule of this workload with fewer preemptions fails like this: all ${formatCount(schedules)} were run.`;
  }
  const bound =
    exhausted < 0
      ? 'not even all without a preemption'
      : `all with at most ${plural(exhausted, 'preemption')}`;
  return `Fewer preemptions may do: ${formatCount(schedules)} schedules were run, ${bound}.`;
}
