/** `splitstorm conform`: recordings of a kernel held against the model, or against each other. */
import { accessSync, constants, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CommandModule } from 'yargs';
import { loadEngine, splitVariants } from '../campaign/variants.ts';
import { allowing, allowingTime } from '../conform/allowed.ts';
import { compareRecordings } from '../conform/compare/compare.ts';
import { loadRecording, recordingFiles, type LoadedRecording } from '../conform/load.ts';
import { diffJson, diffReport } from '../conform/report/diff.ts';
import { conformReport, scriptLine } from '../conform/report/text.ts';
import { judge, sumCounts, unexplained, verdictJson, type Verdict } from '../conform/verdict.ts';
import type { Named } from '../conform/words.ts';
import { MODEL_RELEASE } from '../conform/perform.ts';
import { recordingText } from '../conform/write.ts';
import { EXIT_INTERRUPTED } from '../runtime/outcome.ts';
import { interruptible, Output } from './output.ts';
import { textOption, UsageError } from './usage.ts';

type Args = Readonly<Record<string, unknown>>;

/** Options that were given twice: the last counts, as in the other commands. */
const lastOfEach = (args: Args): Args =>
  Object.fromEntries(
    Object.entries(args).map(([name, value]) => [
      name,
      Array.isArray(value) && name !== 'path' ? (value.at(-1) as unknown) : value,
    ]),
  );

/** Two kernels are called by their names, two recordings of one kernel A and B. */
function namesOf([a, b]: readonly [LoadedRecording, LoadedRecording]): readonly [Named, Named] {
  const [one, two] = [a.recording, b.recording];
  const [nameA, nameB] = [one.kernel.variant, two.kernel.variant];
  if (nameA !== nameB && nameA !== '' && nameB !== '')
    return [
      { name: nameA, recording: one },
      { name: nameB, recording: two },
    ];
  return [
    { name: 'A', recording: one },
    { name: 'B', recording: two },
  ];
}

function diff(files: readonly string[], output: Output): number {
  const [a, b, ...rest] = files;
  if (a === undefined || b === undefined || rest.length > 0)
    throw new UsageError(`--diff: needs two recordings, ${files.length} given`);
  const both = [loadRecording(a), loadRecording(b)] as const;
  const pair = namesOf(both);
  const comparison = compareRecordings(both[0].recording, both[1].recording, {
    twoKernels: true,
    // What is outside the model matters between kernels, and not beside the model.
    allowing: both.some(({ recording }) => recording.kernel.release === MODEL_RELEASE)
      ? allowing
      : allowingTime,
  });
  output.write(
    () => diffJson(pair, comparison),
    (options) => diffReport(pair, [a, b], comparison, options),
  );
  return unexplained(comparison.tally.total()) === 0 ? 0 : 1;
}

/** @throws UsageError if it cannot be made: now, not after the run */
function makeDirectory(path: string): void {
  try {
    if (!existsSync(path)) mkdirSync(path);
    accessSync(path, constants.W_OK);
    if (!statSync(path).isDirectory()) throw new Error('it is no directory');
  } catch (error) {
    throw new UsageError(`--write: ${path}: ${(error as Error).message}`);
  }
}

/** @returns the verdicts so far, and whether it was interrupted */
async function judgeAll(paths: readonly string[], args: Args, output: Output): Promise<[Verdict[], boolean]> {
  const files = paths.flatMap(recordingFiles);
  const variant = textOption(args, 'variant');
  const standIn =
    variant === undefined ? undefined : { name: variant, engine: await loadEngine(splitVariants(variant)) };
  const target = textOption(args, 'write');
  if (target !== undefined) makeDirectory(target);
  const verdicts: Verdict[] = [];
  const began = performance.now();
  const interrupt = interruptible(() => output.progress.clear());
  try {
    for (const file of files) {
      if (interrupt.signal.aborted) break;
      const verdict = judge(loadRecording(file), standIn);
      verdicts.push(verdict);
      if (target !== undefined)
        writeFileSync(
          join(
            target,
            `${verdict.recording.name}.${verdict.recording.kernel.variant}.model.json`.replaceAll(
              /[^\w.-]/g,
              '_',
            ),
          ),
          recordingText(verdict.model),
        );
      output.progress.update({
        label: 'conform',
        elapsedMs: performance.now() - began,
        fraction: verdicts.length / files.length,
        remainingMs: null,
        figures: [['recordings', verdicts.length]],
        violations: verdicts.filter(({ conforms }) => !conforms).length,
      });
      // Ctrl-C is heard between two files.
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    interrupt.dispose();
  }
  output.progress.clear();
  return [verdicts, interrupt.signal.aborted];
}

function allJson(verdicts: readonly Verdict[]): unknown {
  return {
    format: 'splitstorm-conform-1',
    conforms: verdicts.every(({ conforms }) => conforms),
    kinds: sumCounts(verdicts.map(({ tally }) => tally.counts)),
    recordings: verdicts.map(verdictJson),
  };
}

export function conformCommand(done: (status: number) => void): CommandModule {
  return {
    command: 'conform <path..>',
    describe: 'perform recordings of a real kernel on the model, and compare every SPTE, counter and event',
    builder: (argv) =>
      argv
        // Several paths are several values of one positional; a repeated option still counts once.
        .parserConfiguration({ 'duplicate-arguments-array': true, 'strip-aliased': true })
        .positional('path', {
          type: 'string',
          array: true,
          describe: 'a recording (.json, .json.br, .json.gz) or a directory of them',
        })
        .option('diff', {
          type: 'boolean',
          default: false,
          describe: 'compare the two recordings given with each other, and say what differs in words',
        })
        .option('variant', {
          type: 'string',
          requiresArg: true,
          describe:
            'what stands for the kernel, in place of the profile that its name stands for; joined by +',
        })
        .option('write', {
          type: 'string',
          requiresArg: true,
          describe: "write the model's recordings into this directory",
        })
        .option('json', {
          type: 'string',
          requiresArg: true,
          describe: 'write the result as JSON; - for stdout',
        })
        .option('quiet', { type: 'boolean', default: false, describe: 'print nothing but a failure' })
        .example('$0 conform recordings/', 'all recordings of a directory')
        .example('$0 conform --diff mine.json theirs.json', 'two kernels'),
    handler: async (given) => {
      const args = lastOfEach(given);
      const output = new Output(args);
      const paths = args['path'] as string[];
      if (args['diff'] === true) {
        for (const option of ['variant', 'write'])
          if (args[option] !== undefined) throw new UsageError(`--${option}: has no meaning with --diff`);
        done(diff(paths, output));
        return;
      }
      const [verdicts, interrupted] = await judgeAll(paths, args, output);
      output.write(
        () => allJson(verdicts),
        (options) => conformReport(verdicts, options),
        verdicts.every(({ conforms }) => conforms) ? undefined : scriptLine(verdicts),
      );
      if (interrupted) done(EXIT_INTERRUPTED);
      else done(verdicts.every(({ conforms }) => conforms) ? 0 : 1);
    },
  };
}
