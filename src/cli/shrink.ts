/** `splitstorm shrink`: the smallest run that still fails alike, and why it fails. */
import type { CommandModule } from 'yargs';
import { shrinkUnlessAborted, type ShrunkFailure } from '../campaign/shrink-failure.ts';
import { NotReproduced } from '../explore/shrink.ts';
import { EXIT_INTERRUPTED } from '../runtime/outcome.ts';
import { parseCount } from './duration.ts';
import { printExplanation, shrinkText } from './explain-run.ts';
import { interruptible, Output } from './output.ts';
import { chooseRun, withRun } from './run-options.ts';
import { scenarioFromArgs } from './scenario-options.ts';
import type { Target } from './target.ts';
import { textOption, UsageError } from './usage.ts';
import { checkScheduleOutput, SCHEDULE_OUTPUT, writeSchedule } from './write-schedule.ts';

export const DEFAULT_REPLAYS = '200';
export const DEFAULT_CERTIFICATE = '1000';

export async function shrinkCommand(
  args: readonly string[],
  target: Target | undefined,
  done: (status: number) => void,
): Promise<CommandModule> {
  const scenario = args[0] === 'shrink' ? await scenarioFromArgs(args, 'explore') : undefined;
  return {
    command: 'shrink [scenario]',
    describe:
      'find the smallest run that still fails alike, and explain it; takes a token or a schedule file like replay',
    builder: (argv) => {
      if (scenario !== undefined) withRun(argv, scenario);
      return argv
        .option('replays', {
          type: 'string',
          default: DEFAULT_REPLAYS,
          requiresArg: true,
          group: 'Run:',
          describe: 'runs to spend on leaving things out',
        })
        .option('certificate', {
          type: 'string',
          default: DEFAULT_CERTIFICATE,
          requiresArg: true,
          group: 'Run:',
          describe: 'schedules to spend on proving that fewer preemptions do not fail; 0: none',
        })
        .option('keep-workload', {
          type: 'boolean',
          default: false,
          group: 'Run:',
          describe: 'shrink the schedule alone, not the parameters',
        })
        .options(SCHEDULE_OUTPUT)
        .example('$0 shrink TOKEN -o minimal.schedule', 'shrink what explore has found');
    },
    handler: async (argv) => {
      const output = new Output(argv);
      const maxReplays = parseCount(argv['replays'], 'replays', 1, 1e6);
      const maxCertificate = parseCount(argv['certificate'], 'certificate', 0, 1e9);
      checkScheduleOutput(argv);
      const chosen = await chooseRun(argv, scenario!, target);
      const keepWorkload = argv['keep-workload'] === true;
      let found: ShrunkFailure;
      const { signal, dispose } = interruptible(() => undefined);
      try {
        found = await shrinkUnlessAborted({ ...chosen, maxReplays, maxCertificate, keepWorkload }, signal);
      } catch (error) {
        if (error instanceof NotReproduced)
          throw new UsageError(`${error.message}: there is nothing to shrink`);
        throw error;
      } finally {
        dispose();
      }
      const run = { ...chosen, spec: found.spec, given: found.given, shrunk: shrinkText(found) };
      const file = textOption(argv, 'write-schedule');
      writeSchedule(output, file, run, found.spec);
      printExplanation(output, { ...run, file });
      done(signal.aborted ? EXIT_INTERRUPTED : 1);
    },
  };
}
