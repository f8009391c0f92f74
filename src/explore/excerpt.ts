/**
 * What one schedule reads of a profile, small enough for a token: with it the schedule is made again without the profile runs.
 *
 * Its numbers are estimates, so a profile rounds them: each then takes one byte. Byte b stands for b if below 32, else for
 * (16 + (b - 32) % 16) * 2^(1 + floor((b - 32) / 16)): up to 507,904, and no more than one sixteenth too large.
 */
import { BytesError, type ByteReader, type ByteWriter } from './bytes.ts';

export interface Excerpt {
  /** Most decisions that a run had. */
  readonly decisions: number;
  /** Events of a whole run, or decisions if there were more. */
  readonly length: number;
  /** Events by actor; empty if the schedule does not read them. */
  readonly events: readonly number[];
  /** Who lets each actor begin, -1 for nobody; empty with `events`. */
  readonly parents: readonly number[];
  /** The location that the schedule has chosen (src/explore/profile.ts), -1 for none. */
  readonly location: number;
  /** Accesses to it by actor; empty without one. */
  readonly accesses: readonly number[];
}

/** An excerpt that has no more than how long runs are. */
export const lengthOnly = ({ decisions, length }: Pick<Excerpt, 'decisions' | 'length'>): Excerpt => ({
  decisions,
  length,
  events: [],
  parents: [],
  location: -1,
  accesses: [],
});

const EXACT = 32;
const STEPS = 16;

function valueOf(byte: number): number {
  if (byte < EXACT) return byte;
  const above = byte - EXACT;
  return (STEPS + (above % STEPS)) * 2 ** (1 + Math.floor(above / STEPS));
}

/** All numbers that a byte stands for, rising. */
const VALUES = Array.from({ length: 256 }, (_, byte) => valueOf(byte));

function byteOf(count: number): number {
  const byte = VALUES.findIndex((value) => value >= count);
  return byte < 0 ? VALUES.length - 1 : byte;
}

/** The smallest number of one byte that is not below the count, or the largest there is. */
export const rounded = (count: number): number => VALUES[byteOf(count)]!;

const EVENTS = 1;
const PARENTS = 2;
const LOCATION = 4;

/**
 * Writes it, counts as bytes as above, everything else as varints:
 *
 *   a byte of flags    1: events, 2: parents, 4: location
 *   decisions, length
 *   if events or a location: the number of actors
 *   if events: one of each actor
 *   if parents: how many actors have one, then each of them and its parent
 *   if a location: 1 + 2 u for unit u, 2 g for group g; and the accesses of each actor
 */
export function writeExcerpt(bytes: ByteWriter, excerpt: Excerpt): void {
  const { events, parents, location, accesses } = excerpt;
  const flags =
    (events.length > 0 ? EVENTS : 0) |
    (parents.some((parent) => parent >= 0) ? PARENTS : 0) |
    (location === -1 ? 0 : LOCATION);
  bytes.byte(flags).byte(byteOf(excerpt.decisions)).byte(byteOf(excerpt.length));
  if (flags === 0) return;
  bytes.varint(Math.max(events.length, accesses.length));
  for (const count of events) bytes.byte(byteOf(count));
  if ((flags & PARENTS) !== 0) {
    const begun = [...parents.keys()].filter((actor) => parents[actor]! >= 0);
    bytes.varint(begun.length);
    for (const actor of begun) bytes.varint(actor).varint(parents[actor]!);
  }
  if (location === -1) return;
  bytes.varint(location >= 0 ? 1 + 2 * location : 2 * (-2 - location));
  for (const count of accesses) bytes.byte(byteOf(count));
}

/** More actors than any machine has. */
const MAX_ACTORS = 1000;

/** Reads what writeExcerpt has written. @throws BytesError */
export function readExcerpt(bytes: ByteReader): Excerpt {
  const flags = bytes.byte();
  if (flags > (EVENTS | PARENTS | LOCATION)) throw new BytesError('its estimates are of no known kind');
  const count = (): number => VALUES[bytes.byte()]!;
  const start = lengthOnly({ decisions: count(), length: count() });
  if (flags === 0) return start;
  const actors = bytes.varint();
  if (actors > MAX_ACTORS) throw new BytesError('it has too many actors');
  const perActor = (read: () => number): number[] => Array.from({ length: actors }, read);
  const events = (flags & EVENTS) === 0 ? [] : perActor(count);
  const parents = (flags & EVENTS) === 0 ? [] : perActor(() => -1);
  for (let left = (flags & PARENTS) === 0 ? 0 : bytes.varint(); left > 0; left--) {
    const actor = bytes.varint();
    const parent = bytes.varint();
    if (Math.max(actor, parent) >= parents.length)
      throw new BytesError('it names an actor that is not there');
    parents[actor] = parent;
  }
  if ((flags & LOCATION) === 0) return { ...start, events, parents };
  const code = bytes.varint();
  const location = code % 2 === 1 ? (code - 1) / 2 : -2 - code / 2;
  return { ...start, events, parents, location, accesses: perActor(count) };
}
