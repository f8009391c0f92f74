/** Reads a schedule file, strictly: every field, in order, within bounds. The format is described in schedule-file.ts. */
import { fnv1a } from './bytes.ts';
import { BLOCK, MAX_LOGGED, type LoggedStep, type OperationLog } from './operation-log.ts';
import type { Override } from './overrides.ts';
import type { Kept } from './runner.ts';
import { hashText, readSteps, SCHEDULE_MAGIC, SCHEDULE_VERSION, type ScheduleFile } from './schedule-file.ts';

/** Longest file that is read, in bytes. */
export const MAX_SCHEDULE_BYTES = 8 * 2 ** 20;

/** A text is not a schedule file, or not one this version reads; the message has the line. */
export class ScheduleFileError extends Error {
  override readonly name = 'ScheduleFileError';
}

const MAX_NUMBER = 2 ** 31 - 1;

/** The lines, one after the other, with their numbers for messages. */
class Lines {
  private readonly lines: readonly string[];
  private at = 0;

  constructor(lines: readonly string[]) {
    this.lines = lines;
  }

  fail(text: string): never {
    throw new ScheduleFileError(`line ${this.at}: ${text}`);
  }

  next(what: string): string {
    const line = this.lines[this.at++];
    if (line === undefined) this.fail(`${what} expected, but the file ends here: it was cut off`);
    return line;
  }

  /** The rest of a line that begins with `name`. */
  field(name: string): string {
    const line = this.next(name);
    if (line !== name && !line.startsWith(`${name} `)) this.fail(`${name} expected, ${quoted(line)} given`);
    return line.slice(name.length + 1);
  }

  /** The same for a field that may be left out. */
  optional(name: string): string {
    return this.lines[this.at]?.startsWith(`${name} `) === true ? this.field(name) : '';
  }

  text(name: string): string {
    return this.unescape(this.field(name), name);
  }

  unescape(text: string, name: string): string {
    try {
      return decodeURIComponent(text);
    } catch {
      return this.fail(`${name}: ${quoted(text)} is no escaped text`);
    }
  }

  number(text: string, name: string, min = 0, max = MAX_NUMBER): number {
    const value = /^-?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      this.fail(`${name}: ${quoted(text)} given, allowed is an integer from ${min} to ${max}`);
    return value;
  }

  hash(text: string, name: string): number {
    if (!/^[0-9a-f]{8}$/.test(text))
      this.fail(`${name}: ${quoted(text)} given, allowed are eight hexadecimal digits`);
    return Number.parseInt(text, 16);
  }

  words(text: string): string[] {
    return text === '' ? [] : text.split(' ');
  }

  pairs(text: string, name: string): Record<string, string> {
    const values: Record<string, string> = {};
    for (const pair of this.words(text)) {
      const match = /^([a-z][A-Za-z0-9]*)=(.*)$/.exec(pair);
      if (match === null) this.fail(`${name}: ${quoted(pair)} given, allowed is NAME=VALUE`);
      values[match[1]!] = this.unescape(match[2]!, name);
    }
    return values;
  }

  /** @throws ScheduleFileError if lines are left */
  end(): void {
    if (this.at !== this.lines.length) this.fail('there is more in it than belongs there');
  }
}

/** At most 40 characters of what was given, quoted. */
const quoted = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 37)}...` : text);

/** True if the bytes begin as a schedule file does, of whatever version. */
export const beginsAsSchedule = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(0, SCHEDULE_MAGIC.length)).toString('latin1') === SCHEDULE_MAGIC;

/**
 * Reads a schedule file.
 * @throws ScheduleFileError
 */
export function parseSchedule(bytes: Uint8Array): ScheduleFile {
  if (bytes.length > MAX_SCHEDULE_BYTES)
    throw new ScheduleFileError(`it has more than the ${MAX_SCHEDULE_BYTES} bytes that are read`);
  if (!beginsAsSchedule(bytes))
    throw new ScheduleFileError(`it is no schedule file: it does not begin with ${SCHEDULE_MAGIC}`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new ScheduleFileError('it is not UTF-8');
  }
  if (!text.endsWith('\n')) throw new ScheduleFileError('it was cut off: its last line has no end');
  const lines = new Lines(text.replace(/\n$/, '').split('\n'));
  checkVersion(lines.field(SCHEDULE_MAGIC));
  const file = readFields(lines);
  const sum = lines.hash(lines.field('end'), 'end');
  lines.end();
  const body = text.slice(0, text.lastIndexOf('end '));
  if (fnv1a(body) !== sum)
    throw new ScheduleFileError(
      `its checksum is wrong: ${hashText(sum)} given, ${hashText(fnv1a(body))} computed; something in it was changed`,
    );
  return file;
}

function checkVersion(version: string): void {
  if (!/^\d{1,6}$/.test(version))
    throw new ScheduleFileError(`line 1: ${quoted(version)} is no version of the format`);
  if (Number(version) === SCHEDULE_VERSION) return;
  const age = Number(version) < SCHEDULE_VERSION ? 'an older' : 'a newer';
  throw new ScheduleFileError(
    `it has format ${version}, of ${age} version; this one reads format ${SCHEDULE_VERSION}`,
  );
}

function readFields(lines: Lines): ScheduleFile {
  const scenario = lines.text('scenario');
  const variants = lines.words(lines.field('variants')).map((name) => lines.unescape(name, 'variants'));
  const given = lines.pairs(lines.optional('given'), 'given');
  const resolved = lines.pairs(lines.field('resolved'), 'resolved');
  const without = lines.words(lines.optional('without'));
  const idle = lines.words(lines.optional('idle')).map((actor) => lines.number(actor, 'idle'));
  const kept = readKept(lines, lines.words(lines.optional('moves')));
  const actors = lines.words(lines.field('actors')).map((name) => lines.unescape(name, 'actors'));
  const last = actors.length - 1;
  for (const actor of [...idle, ...kept.keys()])
    if (actor > last) lines.fail(`there is no actor ${actor}, the last is ${last}`);
  const head = {
    foundBy: lines.text('found-by'),
    seed: lines.text('seed'),
    schedule: lines.number(lines.field('schedule'), 'schedule'),
    machine: lines.hash(lines.field('machine'), 'machine'),
    boot: lines.hash(lines.field('boot'), 'boot'),
    violation: lines.text('violation'),
    preemptions: lines.number(lines.field('preemptions'), 'preemptions'),
    fingerprint: lines.hash(lines.field('fingerprint'), 'fingerprint'),
    steps: lines.number(lines.field('steps'), 'steps'),
  };
  const overrides = readOverrides(lines, last);
  const log = readLog(lines, head.steps, last);
  return { scenario, variants, given, resolved, without, idle, kept, actors, ...head, overrides, log };
}

/** Moves that a file may keep, and the last that it may name. */
const MAX_MOVES = 1e6;

function readKept(lines: Lines, words: readonly string[]): Kept {
  const kept = new Map<number, readonly number[]>();
  let total = 0;
  for (const word of words) {
    const [, actor, ranges] = /^(\d+):([\d,-]*)$/.exec(word) ?? [];
    if (actor === undefined || ranges === undefined)
      return lines.fail(`moves: ACTOR:RANGES expected, ${quoted(word)} given`);
    const moves: number[] = [];
    for (const range of ranges === '' ? [] : ranges.split(',')) {
      const [from, to = from] = range.split('-');
      const first = lines.number(from!, 'moves', (moves.at(-1) ?? -1) + 1, MAX_MOVES);
      const last = lines.number(to!, 'moves', first, MAX_MOVES);
      for (let move = first; move <= last; move++) moves.push(move);
    }
    total += moves.length;
    if (total > MAX_MOVES) lines.fail(`moves: more than ${MAX_MOVES} are kept`);
    kept.set(lines.number(actor, 'moves'), moves);
  }
  return kept;
}

function readOverrides(lines: Lines, lastActor: number): Override[] {
  const count = lines.number(lines.field('overrides'), 'overrides', 0, 1e6);
  const overrides: Override[] = [];
  for (let i = 0; i < count; i++) {
    const parts = lines.next('an override').split(' ');
    if (parts.length !== 3) lines.fail(`ACTOR OP NEXT expected, ${quoted(parts.join(' '))} given`);
    overrides.push({
      actor: lines.number(parts[0]!, 'actor', -1, lastActor),
      op: lines.number(parts[1]!, 'operation'),
      next: lines.number(parts[2]!, 'next actor', 0, lastActor),
    });
  }
  return overrides;
}

function readLog(lines: Lines, total: number, lastActor: number): OperationLog {
  const wanted = Math.ceil(total / BLOCK);
  const count = lines.number(lines.field('blocks'), 'blocks');
  if (count !== wanted) lines.fail(`${count} blocks given, ${total} steps have ${wanted}`);
  const blocks: number[] = [];
  const steps: LoggedStep[] = [];
  for (let block = 0; block < count; block++) {
    const [hash, ...texts] = lines.next('a block').split(' ');
    blocks.push(lines.hash(hash!, 'hash of a block'));
    const expected = Math.max(0, Math.min(total, MAX_LOGGED, (block + 1) * BLOCK) - block * BLOCK);
    if (texts.length !== expected) lines.fail(`${texts.length} steps given, this block has ${expected}`);
    const read = readSteps(texts, steps.at(-1)?.actor ?? -1);
    if (read === undefined) lines.fail('a step in it is damaged');
    if (read.some(({ actor }) => actor < 0 || actor > lastActor)) lines.fail('a step in it has no actor');
    for (const step of read) steps.push(step);
  }
  return { steps, blocks };
}
