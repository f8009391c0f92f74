/** `splitstorm explain`: why a run fails, on one screen. */
import type { CommandModule } from 'yargs';
import { shrinkUnlessAborted } from '../campaign/shrink-failure.ts';
import { NotReproduced } from '../explore/shrink.ts';
import type { Scenario } from '../scenario/define.ts';
import { EXIT_INTERRUPTED } from '../runtime/outcome.ts';
import { parseCount } from './duration.ts';
import { printExplanation, shrinkText, type MinimalRun } from './explain-run.ts';
import { interruptible, Output } from './output.ts';
import { chooseRun, withRun } from './run-options.ts';
import { scenarioFromArgs } from './scenario-options.ts';
import { DEFAULT_CERTIFICATE, DEFAULT_REPLAYS } from './shrink.ts';
import type { Target } from './target.ts';
import { UsageError } from './usage.ts';

export async function explainCommand(
  args: readonly string[],
  target: Target | undefined,
  done: (status: number) => void,
): Promise<CommandModule> {
  const scenario: Scenario | undefined =
    args[0] === 'explain' ? await scenarioFromArgs(args, 'explore') : undefined;
  return {
    command: 'explain [scenario]',
    describe:
      'say why a run fails: what broke, the operations that matter, the pair to swap; takes a token or a schedule file',
    builder: (argv) => {
      if (scenario !== undefined) withRun(argv, scenario);
      return argv
        .option('shrink', {
          type: 'boolean',
          defaultDescription: 'unless the run is a schedule of overrides already',
          group: 'Run:',
          describe: 'shrink it first; --no-shrink explains it as it is',
        })
        .example('$0 explain TOKEN', 'why it fails');
    },
    handler: async (argv) => {
      const output = new Output(argv);
      const chosen = await chooseRun(argv, scenario!, target);
      const wanted = (argv['shrink'] as boolean | undefined) ?? !('overrides' in chosen.spec.plan);
      const { signal, dispose } = interruptible(() => undefined);
      try {
        let run: MinimalRun = { ...chosen, shrunk: '' };
        if (wanted) {
          const found = await shrinkUnlessAborted(
            {
              ...chosen,
              maxReplays: parseCount(DEFAULT_REPLAYS, 'replays', 1, 1e6),
              maxCertificate: parseCount(DEFAULT_CERTIFICATE, 'certificate', 0, 1e9),
              keepWorkload: false,
            },
            signal,
          );
          run = { ...chosen, spec: found.spec, given: found.given, shrunk: shrinkText(found) };
        }
        printExplanation(output, run);
      } catch (error) {
        if (error instanceof NotReproduced)
          throw new UsageError(`${error.message}: there is nothing to explain`);
        throw error;
      } finally {
        dispose();
      }
      done(signal.aborted ? EXIT_INTERRUPTED : 1);
    },
  };
}
