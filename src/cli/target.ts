/** What replay, shrink and explain are given in place of a scenario: a token or a schedule file. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { planOf, variantsOf } from '../campaign/tokens.ts';
import type { RunPlan } from '../campaign/run-spec.ts';
import type { ScheduleFile } from '../explore/schedule-file.ts';
import { MAX_SCHEDULE_BYTES, parseSchedule, ScheduleFileError } from '../explore/schedule-reader.ts';
import type { Kept } from '../explore/runner.ts';
import { parseToken, type Token } from '../explore/token.ts';
import { isPath, shippedScenarios } from '../scenario/load.ts';
import { kebab } from './scenario-options.ts';

/** One of the two. `args` say on a command line what it says of the machine and the seed. */
export interface Target {
  /** As the user gave it. */
  readonly text: string;
  readonly args: readonly string[];
  readonly plan: RunPlan;
  readonly schedule: number;
  readonly idle: readonly number[];
  readonly kept?: Kept;
  readonly token?: Token;
  readonly file?: ScheduleFile;
}

/** A word this long is no name of a scenario. */
const TOKEN_LENGTH = 24;

/** True if the word is or was a token, or one of another program. */
export function looksLikeToken(word: string): boolean {
  if (/^S\d+\./.test(word)) return true;
  return (
    word.length >= TOKEN_LENGTH && !isPath(word) && !existsSync(word) && !shippedScenarios().includes(word)
  );
}

const isModule = (word: string): boolean => /\.[cm]?[jt]s$/.test(word);

/** The token or the schedule file that the word is; undefined if it can only be a scenario. @throws TokenError, ScheduleFileError */
export function targetOf(word: string | undefined): Target | undefined {
  if (word === undefined || word.startsWith('-') || isModule(word)) return undefined;
  if (looksLikeToken(word)) return ofToken(word);
  if (shippedScenarios().includes(word)) return undefined;
  if (!isPath(word) && !word.endsWith('.schedule') && !existsSync(word)) return undefined;
  return ofFile(word);
}

function argsOf(of: {
  readonly scenario: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly variants: readonly string[];
  readonly seed: string;
  readonly without: readonly string[];
}): string[] {
  return [
    of.scenario,
    ...Object.entries(of.parameters).map(([name, value]) => `--${kebab(name)}=${value}`),
    `--variant=${of.variants.join('+')}`,
    `--seed=${of.seed}`,
    ...(of.without.length === 0 ? [] : [`--without=${of.without.join(',')}`]),
  ];
}

function ofToken(text: string): Target {
  const token = parseToken(text);
  const { schedule, idle } = token;
  return {
    text,
    args: argsOf({ ...token, variants: variantsOf(token) }),
    plan: planOf(token),
    schedule,
    idle,
    ...('kept' in token.plan && token.plan.kept !== undefined ? { kept: token.plan.kept } : {}),
    token,
  };
}

function ofFile(path: string): Target {
  const refuse = (why: string): never => {
    throw new ScheduleFileError(`schedule file ${path}: ${why}`);
  };
  let bytes: Uint8Array;
  try {
    const stat = statSync(path);
    if (!stat.isFile()) return refuse('it is no regular file');
    if (stat.size > MAX_SCHEDULE_BYTES)
      return refuse(`it has ${stat.size} bytes, at most ${MAX_SCHEDULE_BYTES} are read`);
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof ScheduleFileError) throw error;
    return refuse(
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (error as Error).message,
    );
  }
  let file: ScheduleFile;
  try {
    file = parseSchedule(bytes);
  } catch (error) {
    if (!(error instanceof ScheduleFileError)) throw error;
    return refuse(error.message);
  }
  const args = argsOf({ ...file, parameters: file.given });
  return {
    text: path,
    args,
    plan: { overrides: file.overrides },
    schedule: file.schedule,
    idle: file.idle,
    kept: file.kept,
    file,
  };
}
