/**
 * The schedule file: one run with everything that is needed to make it again and to notice that it is another (design 7).
 *
 * It is text in UTF-8, a line per field, in this order; fields in [] are left out when they say nothing. A line ends with
 * one line feed. A text is percent-escaped as by encodeURIComponent; a number is decimal; a hash is eight lower-case
 * hexadecimal digits.
 *
 *   splitstorm-schedule 1                the format and its version
 *   scenario TEXT                        name or path
 *   variants TEXT...                     names or paths, applied from left to right
 *   [given NAME=TEXT...]                 parameters that differ from the scenario's defaults
 *   resolved NAME=TEXT...                all parameters
 *   [without ID...]                      checks whose findings do not count
 *   [idle NUMBER...]                     actors that stay away
 *   [moves ACTOR:RANGES...]              the only moves that these actors make, as `2:0-3,5`; `2:` makes none
 *   actors TEXT...                       names of all actors, by number from 0
 *   found-by TEXT                        the strategy, for people
 *   seed TEXT
 *   schedule NUMBER                      with the seed it gives choices and workload
 *   machine HASH                         FNV-1a of the machine's configuration
 *   boot HASH                            FNV-1a of the memory that the engine boots to
 *   violation TEXT | clean               id of the check
 *   preemptions NUMBER
 *   fingerprint HASH                     low half of the happens-before fingerprint (src/explore/coverage.ts)
 *   steps NUMBER                         visible operations
 *   overrides NUMBER                     that many lines follow:
 *     ACTOR OP NEXT                      after ACTOR (-1: at the start) has moved OP times, NEXT goes on
 *   blocks NUMBER                        that many lines follow, one per 64 steps and one for the rest:
 *     HASH [STEP...]                     rolling hash after the block, and its steps, separated by spaces
 *   end HASH                             FNV-1a of all bytes before this line
 *
 * The first move of an actor starts it and makes no operation, every other makes one. The base that the overrides leave lets the actor that moved last go on until it blocks, ends or is at a safepoint, and then
 * takes the next that can go on: the lowest number above its own, or the lowest of all.
 * A STEP is [@ACTOR]KIND WORD.CHECK without spaces: `@2` where another actor goes on, a letter for the kind (`a` is number 0
 * of src/cpu/steps.ts), the word in base 36, a dot, and the low twelve bits of the rolling hash after the step as two
 * characters of base64url, the upper six bits first. Steps from 100,001 on are not written, only their blocks' hashes.
 *
 * The rolling hash starts at 0x811c9dc5. A step of actor A, kind K, word W with values L and H turns h into (32-bit integers,
 * `*` without the upper half, >> logical):
 *   h = (h ^ (16 A + K)) * 0x85ebca6b;  h = ((h ^ (h >> 15)) + W) * 0xc2b2ae35;  h = ((h ^ (h >> 13)) + L) * 0x27d4eb2f;
 *   h = (h ^ (h >> 16)) + H
 * L and H are what src/cpu/plain-cpu.ts notes: value read and operand, or both halves of an entry.
 */
import { fnv1a } from './bytes.ts';
import type { LoggedStep, OperationLog } from './operation-log.ts';
import { BLOCK } from './operation-log.ts';
import { rangesText } from './move-ranges.ts';
import type { Override } from './overrides.ts';
import type { Kept } from './runner.ts';

export const SCHEDULE_VERSION = 1;
export const SCHEDULE_MAGIC = 'splitstorm-schedule';

export interface ScheduleFile {
  readonly scenario: string;
  readonly variants: readonly string[];
  readonly given: Readonly<Record<string, string>>;
  readonly resolved: Readonly<Record<string, string>>;
  readonly without: readonly string[];
  readonly idle: readonly number[];
  /** The only moves that some actors make. */
  readonly kept: Kept;
  readonly actors: readonly string[];
  readonly foundBy: string;
  readonly seed: string;
  readonly schedule: number;
  /** Unsigned 32-bit integers. */
  readonly machine: number;
  readonly boot: number;
  /** Id of the violation, `clean` if there is none. */
  readonly violation: string;
  readonly preemptions: number;
  readonly fingerprint: number;
  readonly steps: number;
  readonly overrides: readonly Override[];
  readonly log: OperationLog;
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const KIND_A = 97;

export const hashText = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');

const list = (name: string, values: readonly string[]): string[] =>
  values.length === 0 ? [] : [`${name} ${values.join(' ')}`];

const pairs = (values: Readonly<Record<string, string>>): string[] =>
  Object.keys(values)
    .sort()
    .map((name) => `${name}=${encodeURIComponent(values[name]!)}`);

function stepText(step: LoggedStep, before: number): string {
  const actor = step.actor === before ? '' : `@${step.actor}`;
  const check = `${BASE64URL[step.check >> 6]}${BASE64URL[step.check & 63]}`;
  return `${actor}${String.fromCharCode(KIND_A + step.op)}${step.word.toString(36)}.${check}`;
}

function blockLines({ steps, blocks }: OperationLog): string[] {
  return blocks.map((hash, block) => {
    const from = block * BLOCK;
    const texts = steps
      .slice(from, from + BLOCK)
      .map((step, at) => stepText(step, from + at === 0 ? -1 : steps[from + at - 1]!.actor));
    return [hashText(hash), ...texts].join(' ');
  });
}

/** Writes a schedule file. */
export function formatSchedule(file: ScheduleFile): string {
  const escaped = (values: readonly string[]): string[] => values.map(encodeURIComponent);
  const lines = [
    `${SCHEDULE_MAGIC} ${SCHEDULE_VERSION}`,
    `scenario ${encodeURIComponent(file.scenario)}`,
    `variants ${escaped(file.variants).join(' ')}`,
    ...list('given', pairs(file.given)),
    `resolved ${pairs(file.resolved).join(' ')}`,
    ...list('without', file.without),
    ...list('idle', file.idle.map(String)),
    ...list(
      'moves',
      [...file.kept].map(([actor, moves]) => `${actor}:${rangesText(moves)}`),
    ),
    `actors ${escaped(file.actors).join(' ')}`,
    `found-by ${encodeURIComponent(file.foundBy)}`,
    `seed ${encodeURIComponent(file.seed)}`,
    `schedule ${file.schedule}`,
    `machine ${hashText(file.machine)}`,
    `boot ${hashText(file.boot)}`,
    `violation ${encodeURIComponent(file.violation)}`,
    `preemptions ${file.preemptions}`,
    `fingerprint ${hashText(file.fingerprint)}`,
    `steps ${file.steps}`,
    `overrides ${file.overrides.length}`,
    ...file.overrides.map(({ actor, op, next }) => `${actor} ${op} ${next}`),
    `blocks ${file.log.blocks.length}`,
    ...blockLines(file.log),
  ];
  const text = `${lines.join('\n')}\n`;
  return `${text}end ${hashText(fnv1a(text))}\n`;
}

/** Reads the steps of one block line; undefined if one is damaged. */
export function readSteps(texts: readonly string[], actorBefore: number): LoggedStep[] | undefined {
  const steps: LoggedStep[] = [];
  let actor = actorBefore;
  for (const text of texts) {
    const match = /^(?:@(\d{1,4}))?([a-o])([0-9a-z]{1,8})\.([A-Za-z0-9_-])([A-Za-z0-9_-])$/.exec(text);
    if (match === null) return undefined;
    if (match[1] !== undefined) actor = Number(match[1]);
    steps.push({
      actor,
      op: match[2]!.charCodeAt(0) - KIND_A,
      word: Number.parseInt(match[3]!, 36),
      check: BASE64URL.indexOf(match[4]!) * 64 + BASE64URL.indexOf(match[5]!),
    });
  }
  return steps;
}
