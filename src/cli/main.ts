/** The command line. One file per command; everything is strict, and wrong usage ends with one line and status 2. */
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { bugsCommand } from './bugs.ts';
import { claimsCommand } from './claims.ts';
import { conformCommand } from './conform.ts';
import { exploreCommand } from './explore.ts';
import { explainCommand } from './explain.ts';
import { listCommand } from './list.ts';
import { proveCommand } from './prove.ts';
import { replayCommand } from './replay.ts';
import { runCommand } from './run.ts';
import { shrinkCommand } from './shrink.ts';
import { scenarioParameters } from '../scenario/build.ts';
import { closest } from '../scenario/load.ts';
import { kebab, scenarioFromArgs } from './scenario-options.ts';
import { targetOf, type Target } from './target.ts';
import { HarnessError, isUserError, UsageError } from './usage.ts';

const EXIT_USAGE = 2;
const EXIT_HARNESS = 3;

/** The version of the package, as source or built. */
export function toolVersion(): string {
  const depth = extname(fileURLToPath(import.meta.url)) === '.ts' ? '../../' : '../../../';
  return (createRequire(import.meta.url)(`${depth}package.json`) as { readonly version: string }).version;
}

const EPILOG = `Exit status: 0 clean, 1 a violation was found, 2 wrong usage or bad input, 3 the harness failed or the result is
inconclusive, 130 interrupted.`;

const RUN_OPTIONS = [
  'variant',
  'seed',
  'json',
  'quiet',
  'without',
  'duration',
  'repetitions',
  'check-every',
  'hang-limit',
  'schedules',
  'from',
  'max-failures',
  'keep-going',
  'stop-when-covered',
  'workers',
  'twice',
  'schedule',
  'trace',
  'last',
  'strategy',
  'replays',
  'certificate',
  'idle',
  'lenient',
  'write-schedule',
  'keep-workload',
  'preemptions',
  'dpor',
  'diff',
  'bug',
  'all',
  'trials',
  'budget',
  'workers',
  'markdown',
  'claim',
  'file',
  'list',
  'effort',
  'control',
  'expect',
  'clean',
  'scenario',
  'write',
  'shrink',
  'step-through',
  'help',
  'version',
];
const COMMANDS = [
  'run',
  'explore',
  'replay',
  'shrink',
  'explain',
  'prove',
  'conform',
  'bugs',
  'claims',
  'list',
  'completion',
];
/** Those that take a scenario and its parameters, and those of them that take a token or a schedule file in its place. */
const SCENARIO_COMMANDS = COMMANDS.slice(0, 6);
const TARGET_COMMANDS = ['replay', 'shrink', 'explain'];

/** A word in the place of the command that is none. @throws UsageError */
function checkCommand(given: string | undefined): void {
  if (given === undefined || given.startsWith('-') || COMMANDS.includes(given)) return;
  const close = closest(given, COMMANDS);
  throw new UsageError(
    `there is no command ${given}${close === undefined ? '' : `; did you mean ${close}?`} Commands: ${COMMANDS.join(', ')}`,
  );
}

/** yargs' own message, with the closest option for one that does not exist. */
function explainUsage(message: string, known: ReadonlySet<string>): string {
  const unknown = /^Unknown arguments?: (.+)$/.exec(message)?.[1]?.split(', ') ?? [];
  const first = unknown.find((name) => /^[a-z]/i.test(name));
  if (first === undefined) return message;
  const option = kebab(first);
  const close = closest(option, [...known]);
  return `unknown option or argument: ${option}${close === undefined ? '' : `; did you mean --${close}?`}`;
}

/** Names of the options of the command in question, for suggestions. */
async function knownOptions(args: readonly string[]): Promise<ReadonlySet<string>> {
  const names = new Set(RUN_OPTIONS);
  if (args[0] === undefined || !SCENARIO_COMMANDS.includes(args[0])) return names;
  const purpose = args[0] === 'run' ? 'run' : 'explore';
  const scenario = await scenarioFromArgs(args, purpose);
  for (const name of Object.keys(scenarioParameters(scenario, purpose))) names.add(kebab(name));
  return names;
}

/** `replay TOKEN ...` says what the token says, as `replay FILE ...` does. @throws TokenError, ScheduleFileError */
function expandTarget(given: readonly string[]): {
  readonly args: readonly string[];
  readonly target: Target | undefined;
} {
  const [command, word, ...rest] = given;
  const target = command !== undefined && TARGET_COMMANDS.includes(command) ? targetOf(word) : undefined;
  return target === undefined
    ? { args: given, target }
    : { args: [command!, ...target.args, ...rest], target };
}

/** Parses and runs. @returns the exit status */
export async function main(given: readonly string[]): Promise<number> {
  const { args, target } = expandTarget(given);
  let status = 0;
  const done = (result: number): void => {
    status = result;
  };
  const known = await knownOptions(args);
  checkCommand(args[0]);
  const parser = yargs([...args])
    .scriptName('splitstorm')
    .usage(
      "$0 <command> [options]\n\nStress tester for KVM's eager page splitting of pages mapped by nested MMUs.",
    )
    .parserConfiguration({ 'duplicate-arguments-array': false, 'strip-aliased': true })
    .version(toolVersion())
    .help()
    .strict()
    .recommendCommands()
    .demandCommand(1, `a command is needed: ${COMMANDS.slice(0, -1).join(', ')}`)
    .exitProcess(false)
    .showHelpOnFail(false)
    .wrap(Math.min(process.stdout.columns ?? 100, 110))
    .completion('completion', 'print a script that completes commands and options in your shell')
    .epilog(EPILOG)
    .fail((message, error) => {
      throw error ?? new UsageError(explainUsage(message, known));
    });
  const version = toolVersion();
  parser.command(await runCommand(args, version, done));
  parser.command(await exploreCommand(args, version, done));
  parser.command(await proveCommand(args, version, done));
  parser.command(await replayCommand(args, target, version, done));
  parser.command(await shrinkCommand(args, target, done));
  parser.command(await explainCommand(args, target, done));
  parser.command(conformCommand(done));
  parser.command(bugsCommand(done));
  parser.command(claimsCommand(done));
  parser.command(listCommand(done));
  await parser.parseAsync();
  return status;
}

/** Says what went wrong on standard error. @returns the exit status for it */
export function explainError(error: unknown): number {
  if (isUserError(error)) {
    process.stderr.write(`splitstorm: ${error.message}\n`);
    if (error.name === 'UsageError') process.stderr.write('Try: npx splitstorm --help\n');
    return EXIT_USAGE;
  }
  if (error instanceof HarnessError) {
    process.stderr.write(`splitstorm: ${error.message}\n`);
    return EXIT_HARNESS;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`splitstorm: the harness failed. ${text}\n`);
  return EXIT_HARNESS;
}

/** Runs, and says on standard error what went wrong. @returns the exit status */
export async function runCli(given: readonly string[]): Promise<number> {
  try {
    return await main(given);
  } catch (error) {
    return explainError(error);
  }
}

/** What the program does with its process: its arguments, its streams, its exit status. */
export async function runProcess(): Promise<void> {
  // A reader that went away (`| head`) is no failure of ours.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit(process.exitCode ?? 0);
    });
  }
  process.exitCode = await runCli(hideBin(process.argv));
}

// bin/splitstorm.js calls it; so does `node --import tsx src/cli/main.ts`.
if (process.argv[1] === fileURLToPath(import.meta.url)) await runProcess();
