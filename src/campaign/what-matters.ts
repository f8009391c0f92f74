/** Which operations of a failing run matter: a slice from the violating words backwards, with weights for what must be left out. */
import type { OpPair } from '../explore/causality.ts';
import { samePlace, writerBefore } from '../explore/causality.ts';
import { isWrite, Op } from '../cpu/steps.ts';
import { findSpins } from '../report/spins.ts';
import type { RecordedStep } from '../report/trace.ts';

const WEIGHT = {
  /** The operation at which it broke. */
  last: 100,
  /** The critical pair. */
  pair: 90,
  /** Changes of a violating word. */
  violating: 80,
  /** Where the table of a violating entry was linked or unlinked. */
  link: 75,
  /** Both sides of a preemption. */
  preemption: 70,
  /** Where somebody began to spin for ever, if no word is to blame. */
  spin: 65,
  /** Reads of a violating word, and what an operation that matters read from another actor. */
  flow: 60,
  /** What the model said, in the kernel's words. */
  event: 50,
  /** Where a move begins that has a name. */
  move: 45,
  /** Locks around operations that matter. */
  lock: 40,
  /** Other changes of the same table or list by the actors involved. */
  context: 10,
} as const;

export interface Slice {
  readonly rows: readonly RecordedStep[];
  /** Words of the violation. */
  readonly words: readonly number[];
  /** Actor that was running when it broke; -1 if none. */
  readonly actor: number;
  readonly pair: OpPair | undefined;
  /** Values that link the tables in which violating entries lie. */
  readonly links: readonly string[];
}

/** The weight of each operation that matters, by its place. */
export function whatMatters({ rows, words, actor, pair, links }: Slice): Map<number, number> {
  const matters = new Map<number, number>();
  const add = (place: number, weight: number): void => {
    if (place >= 0 && place < rows.length && (matters.get(place) ?? 0) < weight) matters.set(place, weight);
  };
  const violating = (row: RecordedStep): boolean =>
    words.some((word) => samePlace(row, { op: Op.Load, word }));
  const last = actor < 0 ? rows.length - 1 : rows.findLastIndex((row) => row.actor === actor);
  add(last, WEIGHT.last);
  if (pair !== undefined) for (const place of [pair.first, pair.second]) add(place, WEIGHT.pair);
  rows.forEach((row, place) => {
    if (violating(row)) add(place, row.changed ? WEIGHT.violating : WEIGHT.flow);
    if (row.changed && links.some((link) => row.value === link || row.was === link)) add(place, WEIGHT.link);
    if (row.because === 'preempted') for (const at of [place - 1, place]) add(at, WEIGHT.preemption);
    if (row.events !== undefined) add(place, WEIGHT.event);
    if (row.move !== undefined) add(place, WEIGHT.move);
  });
  if (words.length === 0) {
    for (const { endless, places } of findSpins(rows)) if (endless) add(places[0]!, WEIGHT.spin);
  }
  // Backwards: what an operation that matters saw of another actor matters too.
  for (let place = rows.length - 1; place >= 0; place--) {
    if ((matters.get(place) ?? 0) < WEIGHT.flow) continue;
    const row = rows[place]!;
    if (row.op === Op.Pause || row.op === Op.Fence) continue;
    const writer = writerBefore(rows, place);
    if (writer >= 0 && rows[writer]!.actor !== row.actor) add(writer, WEIGHT.flow);
  }
  addLocks(rows, matters, add);
  const involved = new Set([...matters.keys()].map((place) => rows[place]!.actor));
  rows.forEach((row, place) => {
    if (involved.has(row.actor) && row.changed && isWrite(row.op) && row.lock === undefined)
      add(place, WEIGHT.context);
  });
  return matters;
}

/** The lock operations next to what matters, of the same actor: the last taken before and the first dropped after. */
function addLocks(
  rows: readonly RecordedStep[],
  matters: ReadonlyMap<number, number>,
  add: (place: number, weight: number) => void,
): void {
  const weighty = [...matters].filter(([, weight]) => weight >= WEIGHT.event);
  for (const [place] of weighty) {
    const { actor } = rows[place]!;
    const own = (row: RecordedStep): boolean => row.actor === actor && row.lock !== undefined;
    const before = rows.slice(0, place).findLastIndex(own);
    if (before >= 0 && rows[before]!.lock!.taken) add(before, WEIGHT.lock);
    const after = rows.findIndex((row, at) => at > place && own(row));
    if (after >= 0 && !rows[after]!.lock!.taken) add(after, WEIGHT.lock);
  }
}
