/** The traces of two recordings, operation by operation and kind by kind. */
import type { RecordedEvent } from '../events.ts';
import type { Recording } from '../recording.ts';
import { align } from './align.ts';
import type { Kind, Tally } from './difference.ts';
import { EVENT_KINDS, eventDetails, eventText, type Reader } from './event-text.ts';
import { mergeTdpChanges } from './tdp-runs.ts';

interface Said {
  readonly type: string;
  readonly kind: Kind;
  readonly text: string;
  readonly details: ReturnType<typeof eventDetails>;
}

/** Events of the background belong to no operation: which one they fall into is a matter of time. */
const BACKGROUND = -1;

/** Kinds that stand beside the others. */
const UNORDERED: ReadonlySet<Kind> = new Set(['yields']);
const isUnordered = ({ type }: RecordedEvent): boolean => UNORDERED.has(EVENT_KINDS[type]);

/** A yield is no reason to count TDP changes anew, so yields come last. */
const apart = (events: readonly RecordedEvent[]): RecordedEvent[] => [
  ...mergeTdpChanges(events.filter((event) => !isUnordered(event))),
  ...events.filter(isUnordered),
];

function sayAll(
  recording: Recording,
  reader: Reader,
  skipped: ReadonlySet<string>,
): ReadonlyMap<number, readonly Said[]> {
  const byOp = new Map<number, RecordedEvent[]>();
  for (const event of recording.events) {
    if (skipped.has(event.type)) continue;
    const key = event.task === undefined ? (event.op ?? BACKGROUND) : BACKGROUND;
    const list = byOp.get(key);
    if (list === undefined) byOp.set(key, [event]);
    else list.push(event);
  }
  return new Map(
    [...byOp].map(([op, events]) => [
      op,
      apart(events).map((event) => ({
        type: event.type,
        kind: EVENT_KINDS[event.type],
        text: eventText(event, reader, event.op ?? Number.MAX_SAFE_INTEGER),
        details: eventDetails(event),
      })),
    ]),
  );
}

const NOTHING = 'nothing more';

/** Of two stretches that differ, those of one type stand against each other. */
function pairUp(
  a: readonly Said[],
  b: readonly Said[],
): Array<readonly [Said | undefined, Said | undefined]> {
  const rest = [...b];
  const pairs: Array<readonly [Said | undefined, Said | undefined]> = a.map((said) => {
    const at = rest.findIndex(({ type }) => type === said.type);
    return [said, at < 0 ? undefined : rest.splice(at, 1)[0]];
  });
  return [...pairs, ...rest.map((said) => [undefined, said] as const)];
}

function compareDetails(tally: Tally, op: number | undefined, one: Said, two: Said): void {
  for (const [k, [field, expected]] of one.details.entries())
    tally.value({
      kind: one.kind,
      field: `${one.type}.${field}`,
      op,
      where: `${one.text}: ${field}`,
      expected,
      actual: two.details[k]?.[1] ?? 'absent',
    });
}

function compareKind(
  tally: Tally,
  op: number | undefined,
  kind: Kind,
  a: readonly Said[],
  b: readonly Said[],
): boolean {
  const hunks = align(
    a.map(({ text }) => text),
    b.map(({ text }) => text),
  );
  let same = 0;
  let [aAt, bAt] = [0, 0];
  const agree = (until: number): void => {
    for (; aAt < until; aAt++, bAt++, same++) compareDetails(tally, op, a[aAt]!, b[bAt]!);
  };
  for (const { aStart, aEnd, bStart, bEnd } of hunks) {
    agree(aStart);
    [aAt, bAt] = [aEnd, bEnd];
    for (const [one, two] of pairUp(a.slice(aStart, aEnd), b.slice(bStart, bEnd)))
      tally.differs({
        kind,
        field: (one ?? two)!.type,
        op,
        where: `${(one ?? two)!.type}, number ${aStart + 1} of ${a.length}`,
        expected: one?.text ?? NOTHING,
        actual: two?.text ?? NOTHING,
      });
  }
  agree(a.length);
  tally.same(kind, same);
  return hunks.length === 0;
}

function compareOp(tally: Tally, op: number | undefined, a: readonly Said[], b: readonly Said[]): void {
  let same = true;
  for (const kind of new Set([...a, ...b].map((said) => said.kind))) {
    const of = (all: readonly Said[]): Said[] => all.filter((said) => said.kind === kind);
    if (!compareKind(tally, op, kind, of(a), of(b)) && !UNORDERED.has(kind)) same = false;
  }
  // Where the kinds differ in themselves their interleaving cannot be the same.
  if (!same) return;
  const [one, two] = [a, b].map((all) => all.filter(({ kind }) => !UNORDERED.has(kind))) as [Said[], Said[]];
  if (one.length === 0) return;
  const at = one.findIndex(({ text }, k) => two[k]?.text !== text);
  if (at < 0) tally.same('order');
  else
    tally.differs({
      kind: 'order',
      field: `${one[at]!.type}/${two[at]!.type}`,
      op,
      where: `event ${at + 1} of ${one.length}`,
      expected: one[at]!.text,
      actual: two[at]!.text,
    });
}

/** @param skipped types that one side could not see */
export function compareEvents(
  tally: Tally,
  recordings: readonly [Recording, Recording],
  readers: readonly [Reader, Reader],
  skipped: ReadonlySet<string>,
): void {
  const expected = sayAll(recordings[0], readers[0], skipped);
  const actual = sayAll(recordings[1], readers[1], skipped);
  const ops = [...new Set([...expected.keys(), ...actual.keys()])].toSorted((a, b) => a - b);
  for (const op of ops)
    compareOp(tally, op === BACKGROUND ? undefined : op, expected.get(op) ?? [], actual.get(op) ?? []);
}
