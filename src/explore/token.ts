/**
 * The token: one line that reproduces a schedule (design 7).
 *
 *   S1.SCENARIO[~VARIANT[+VARIANT...]][~NAME=VALUE...].BLOB
 *
 * `S` and the format's version; the scenario's name; the variants unless they are `p1`; the parameters that differ from the
 * scenario's defaults, in the order of the alphabet, values with percent escapes. Two names among them are no parameters:
 * `idle` has the numbers of actors that stay away, `without` the ids of checks whose findings do not count, both joined
 * with hyphens. Where the token would have more than 80 characters, a variant is named by its mark: `@` and the upper 24
 * bits of FNV-1a of its name as four characters of base64url. BLOB is base64url of these bytes:
 *
 *   strategy   byte      index into STRATEGIES (src/explore/strategies/index.ts), at most 125, plus 128 with an excerpt; 255: no
 *                        strategy but overrides; 254: overrides, and actors that make only some of their moves
 *   if a strategy:
 *     option   varint    the strategy's number times 1000
 *     excerpt  bytes     what it reads of the profile (writeExcerpt in src/explore/excerpt.ts)
 *   if overrides (src/explore/overrides.ts):
 *     count    varint
 *     each     varints   actor that moved last + 1 (0: the start of the run), times it had moved, actor that goes on
 *   if 254:
 *     count    varint    actors
 *     each     varints   actor, number of ranges of moves, and for each range the moves left out before it, its length - 1
 *   seed kind  byte      0: the seed is eight lower-case hexadecimal digits, four bytes follow; 1: a text (length, UTF-8)
 *   seed
 *   schedule   varint    its number
 *   steps      varint    visible operations of the run
 *   hash       4 bytes   trace hash of the run
 *   machine    2 bytes   check16 of the machine's configuration: tells a changed scenario from a changed engine
 *   checksum   2 bytes   check16 of everything before it: the text up to the dot before BLOB, and BLOB's bytes in base64url
 *
 * varint is unsigned LEB128; fixed numbers are big-endian.
 */
import { ByteReader, BytesError, ByteWriter, check16, fnv1a } from './bytes.ts';
import { readExcerpt, writeExcerpt, type Excerpt } from './excerpt.ts';
import { rangesOf, numbersOf } from './move-ranges.ts';
import type { Override } from './overrides.ts';
import type { Kept } from './runner.ts';

export const TOKEN_VERSION = 1;
/** Longest token that is written without marks for variants. */
export const LONG_TOKEN = 80;
/** Longest token that is read. */
export const MAX_TOKEN = 2000;

/** Who decides: a strategy of STRATEGIES by its index and number, and what it reads of the profile, or overrides on the base. */
export type Plan =
  | { readonly strategy: number; readonly option: number; readonly excerpt?: Excerpt }
  // `kept` is left out where all actors make all of their moves.
  | { readonly overrides: readonly Override[]; readonly kept?: Kept };

export interface Token {
  readonly scenario: string;
  readonly variants: readonly string[];
  /** Parameters that differ from the defaults, as texts. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Numbers of actors that stay away, in increasing order. */
  readonly idle: readonly number[];
  /** Ids of checks whose findings do not count. */
  readonly without: readonly string[];
  readonly plan: Plan;
  readonly seed: string;
  readonly schedule: number;
  readonly steps: number;
  /** Eight hexadecimal digits. */
  readonly hash: string;
  /** check16 of the machine. */
  readonly machine: number;
}

/** A text is not a token, or not one this version reads; the message says what is wrong. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
}

const NAME = /^[a-z0-9][a-z0-9.-]*$/;
const MARK = /^@[A-Za-z0-9_-]{4}$/;
const PARAMETER = /^[a-z][A-Za-z0-9]*$/;
const HEX_SEED = /^[0-9a-f]{8}$/;
const CHECK_ID = /^[A-Za-z0-9]+$/;
/** In the place of a strategy's index. */
const EXPLICIT = 0xff;
const EXPLICIT_MOVES = 0xfe;
/** Moves that a token may keep. */
const MAX_MOVES = 1_000_000;
/** Added to it. */
const WITH_EXCERPT = 0x80;

const escaped = (value: string): string =>
  encodeURIComponent(value).replaceAll('.', '%2E').replaceAll('~', '%7E');

function headOf(token: Token): string {
  const variants = token.variants.join('+');
  const named: Record<string, string> = { ...token.parameters };
  if (token.idle.length > 0) named['idle'] = token.idle.join('-');
  if (token.without.length > 0) named['without'] = token.without.join('-');
  const parameters = Object.keys(named)
    .sort()
    .map((name) => `~${name}=${escaped(named[name]!)}`);
  return `S${TOKEN_VERSION}.${token.scenario}${variants === '' || variants === 'p1' ? '' : `~${variants}`}${parameters.join('')}`;
}

function writePlan(bytes: ByteWriter, plan: Plan): void {
  if ('strategy' in plan) {
    const { strategy, option, excerpt } = plan;
    bytes.byte(strategy + (excerpt === undefined ? 0 : WITH_EXCERPT)).varint(Math.round(option * 1000));
    if (excerpt !== undefined) writeExcerpt(bytes, excerpt);
    return;
  }
  const { kept } = plan;
  bytes.byte(kept === undefined ? EXPLICIT : EXPLICIT_MOVES).varint(plan.overrides.length);
  for (const { actor, op, next } of plan.overrides)
    bytes
      .varint(actor + 1)
      .varint(op)
      .varint(next);
  if (kept !== undefined) writeKept(bytes, kept);
}

function writeKept(bytes: ByteWriter, kept: Kept): void {
  bytes.varint(kept.size);
  for (const [actor, moves] of kept) {
    const ranges = rangesOf(moves);
    bytes.varint(actor).varint(ranges.length);
    let next = 0;
    for (const { from, to } of ranges) {
      bytes.varint(from - next).varint(to - from);
      next = to + 1;
    }
  }
}

function readKept(bytes: ByteReader): Kept {
  const kept = new Map<number, readonly number[]>();
  let left = bytes.varint();
  let total = 0;
  if (left > MAX_TOKEN) throw new BytesError('it has too many actors');
  for (; left > 0; left--) {
    const actor = bytes.varint();
    const ranges: { from: number; to: number }[] = [];
    let count = bytes.varint();
    if (count > MAX_TOKEN) throw new BytesError('it has too many moves');
    for (let next = 0; count > 0; count--) {
      const from = next + bytes.varint();
      const to = from + bytes.varint();
      total += to - from + 1;
      if (total > MAX_MOVES) throw new BytesError('it has too many moves');
      ranges.push({ from, to });
      next = to + 1;
    }
    kept.set(actor, numbersOf(ranges));
  }
  return kept;
}

function readPlan(bytes: ByteReader): Plan {
  const strategy = bytes.byte();
  if (strategy !== EXPLICIT && strategy !== EXPLICIT_MOVES) {
    const option = bytes.varint() / 1000;
    if (strategy < WITH_EXCERPT) return { strategy, option };
    return { strategy: strategy - WITH_EXCERPT, option, excerpt: readExcerpt(bytes) };
  }
  const count = bytes.varint();
  if (count > MAX_TOKEN) throw new BytesError('it has too many overrides');
  const overrides: Override[] = [];
  for (let i = 0; i < count; i++) {
    overrides.push({ actor: bytes.varint() - 1, op: bytes.varint(), next: bytes.varint() });
  }
  return strategy === EXPLICIT ? { overrides } : { overrides, kept: readKept(bytes) };
}

function blobOf(token: Token, checksum?: number): string {
  const bytes = new ByteWriter();
  writePlan(bytes, token.plan);
  if (HEX_SEED.test(token.seed)) bytes.byte(0).fixed(Number.parseInt(token.seed, 16), 4);
  else bytes.byte(1).text(token.seed);
  bytes.varint(token.schedule).varint(token.steps);
  bytes.fixed(Number.parseInt(token.hash, 16), 4).fixed(token.machine, 2);
  if (checksum !== undefined) bytes.fixed(checksum, 2);
  return bytes.base64;
}

/** Writes a token. */
export function formatToken(token: Token): string {
  const head = headOf(token);
  return `${head}.${blobOf(token, check16(`${head}.${blobOf(token)}`))}`;
}

/** The mark that stands for a variant in a token that would be too long. */
export function markOf(variant: string): string {
  return `@${new ByteWriter().fixed(fnv1a(variant) >>> 8, 3).base64}`;
}

/**
 * Reads a token.
 * @throws TokenError
 */
export function parseToken(text: string): Token {
  if (text.length > MAX_TOKEN)
    throw new TokenError(`token: ${text.length} characters given, at most ${MAX_TOKEN} are allowed`);
  const version = /^S(\d+)\./.exec(text);
  if (version === null) throw new TokenError(`token: ${shown(text)} does not begin with S${TOKEN_VERSION}.`);
  if (Number(version[1]) !== TOKEN_VERSION) {
    const age = Number(version[1]) < TOKEN_VERSION ? 'an older' : 'a newer';
    throw new TokenError(
      `token: it has format ${version[1]}, of ${age} version; this one reads format ${TOKEN_VERSION}`,
    );
  }
  // The names may have dots; the blob has none.
  const [, names, blob] = /^S\d+\.(.+)\.([A-Za-z0-9_-]+)$/.exec(text) ?? [];
  if (names === undefined || blob === undefined) {
    throw new TokenError(
      `token: ${shown(text)} is not of the form S${TOKEN_VERSION}.NAMES.BLOB; was it cut off?`,
    );
  }
  const token = { ...readNames(names), ...readBlob(blob) };
  const { checksum, ...rest } = token;
  if (checksum !== check16(`${headOf(rest)}.${blobOf(rest)}`) || formatToken(rest) !== text) {
    throw new TokenError('token: its checksum is wrong: a character was changed or lost');
  }
  return rest;
}

type Names = Pick<Token, 'scenario' | 'variants' | 'parameters' | 'idle' | 'without'>;

function readNames(names: string): Names {
  const [scenario, ...more] = names.split('~');
  let variants: string[] = ['p1'];
  const parameters: Record<string, string> = {};
  more.forEach((part, at) => {
    const equals = part.indexOf('=');
    if (equals < 0 && at === 0) variants = part.split('+');
    else if (equals < 0) throw new TokenError(`token: ${shown(part)} is no parameter`);
    else {
      const name = part.slice(0, equals);
      if (!PARAMETER.test(name)) throw new TokenError(`token: ${shown(name)} is no name of a parameter`);
      try {
        parameters[name] = decodeURIComponent(part.slice(equals + 1));
      } catch {
        throw new TokenError(`token: the value of ${name} is damaged`);
      }
    }
  });
  for (const name of [scenario!, ...variants]) {
    if (!NAME.test(name) && (name === scenario || !MARK.test(name)))
      throw new TokenError(`token: ${shown(name)} is no name of a scenario or variant`);
  }
  const { idle, without, ...own } = parameters;
  return {
    scenario: scenario!,
    variants,
    parameters: own,
    idle: idle === undefined ? [] : idle.split('-').map(actorNumber),
    without: without === undefined ? [] : without.split('-').map(checkId),
  };
}

function actorNumber(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new TokenError(`token: ${shown(text)} is no number of an actor`);
  return Number(text);
}

function checkId(text: string): string {
  if (!CHECK_ID.test(text)) throw new TokenError(`token: ${shown(text)} is no id of a check`);
  return text;
}

function readBlob(blob: string): Omit<Token, keyof Names> & { checksum: number } {
  try {
    const bytes = new ByteReader(blob);
    const plan = readPlan(bytes);
    const kind = bytes.byte();
    if (kind > 1) throw new BytesError('its seed is of no known kind');
    const seed = kind === 0 ? bytes.fixed(4).toString(16).padStart(8, '0') : bytes.text();
    const schedule = bytes.varint();
    const steps = bytes.varint();
    const hash = bytes.fixed(4).toString(16).padStart(8, '0');
    const machine = bytes.fixed(2);
    const checksum = bytes.fixed(2);
    bytes.end();
    return { plan, seed, schedule, steps, hash, machine, checksum };
  } catch (error) {
    if (error instanceof BytesError || error instanceof TypeError) {
      throw new TokenError(`token: it is damaged: ${error.message}`);
    }
    throw error;
  }
}

/** At most 40 characters of what was given, quoted. */
function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 37)}...` : text);
}
