/** What differs between two recordings of one experiment, in sentences. */
import { isDeepStrictEqual } from 'node:util';
import { plural } from '../report/text.ts';
import { behaviourOf, hugeLeaves, type OperationBehaviour } from './behaviour.ts';
import type { FieldCount, Tally } from './compare/difference.ts';
import { operationText } from './describe.ts';
import type { Recording } from './recording.ts';

export interface Named {
  readonly name: string;
  readonly recording: Recording;
}

type Pair = readonly [Named, Named];
type Sum = (behaviour: OperationBehaviour) => number;

const flushCount = (times: number): string => plural(times, 'flush', 'flushes');
const splitCount = (times: number): string => plural(times, 'split');

function total(side: Named, sum: Sum): number {
  let value = 0;
  for (const behaviour of behaviourOf(side.recording).values()) value += sum(behaviour);
  return value;
}

const splitsDone: Sum = ({ nested }) => nested['0'] ?? 0;

function flushHabit(flushes: number, splits: number): string {
  if (splits === 0) return 'splits no nested huge page';
  if (flushes === 0) return `does not flush TLBs for them (0 flushes in ${splitCount(splits)})`;
  if (flushes === splits)
    return `flushes TLBs at each split (${flushCount(flushes)} in ${splitCount(splits)})`;
  if (flushes < splits)
    return `flushes TLBs at some splits (${flushCount(flushes)} in ${splitCount(splits)})`;
  return `flushes TLBs more often than it splits (${flushCount(flushes)} in ${splitCount(splits)})`;
}

function* flushWords([a, b]: Pair): Generator<string> {
  const [inA, inB] = [
    total(a, ({ nestedFlushes }) => nestedFlushes),
    total(b, ({ nestedFlushes }) => nestedFlushes),
  ];
  if (inA !== inB)
    yield (
      `Where the nested MMU splits huge pages, ${a.name} ${flushHabit(inA, total(a, splitsDone))}; ` +
      `${b.name} ${flushHabit(inB, total(b, splitsDone))}.`
    );
  const rest: Sum = ({ flushes, nestedFlushes }) => flushes - nestedFlushes;
  const [restA, restB] = [total(a, rest), total(b, rest)];
  if (restA !== restB)
    yield `Outside the nested split ${a.name} flushes TLBs ${times(restA)} and ${b.name} ${times(restB)}.`;
}

const times = (value: number): string => (value === 1 ? 'once' : `${value} times`);

const ERRNO_WORDS: ReadonlyArray<readonly [errno: string, words: string]> = [
  ['0', 'split done'],
  ['-11', 'attempt ended by a topup or a reschedule (EAGAIN)'],
  ['-28', 'page left huge for want of MMU pages (ENOSPC)'],
  ['-12', 'attempt without memory (ENOMEM)'],
];

function* splitWords(pair: Pair): Generator<string> {
  for (const mmu of ['nested', 'tdp'] as const)
    for (const [errno, words] of ERRNO_WORDS) {
      const [a, b] = pair.map((side) => total(side, (behaviour) => behaviour[mmu][errno] ?? 0)) as [
        number,
        number,
      ];
      if (a !== b)
        yield `${mmu === 'nested' ? 'Nested' : 'TDP'} MMU, ${words}: ${a} in ${pair[0].name}, ${b} in ${pair[1].name}.`;
    }
  const [a, b] = pair.map(({ recording }) => behaviourOf(recording)) as [
    ReturnType<typeof behaviourOf>,
    ReturnType<typeof behaviourOf>,
  ];
  for (const operation of pair[0].recording.operations) {
    const [one, two] = [a.get(operation.op)?.order ?? [], b.get(operation.op)?.order ?? []];
    if (one.join() === two.join()) continue;
    if (one.toSorted((x, y) => x - y).join() !== two.toSorted((x, y) => x - y).join()) continue;
    yield `In ${operationText(operation)} both split the same huge pages, in another order.`;
  }
}

function* tableWords([a, b]: Pair): Generator<string> {
  const created: Sum = ({ tablesCreated }) => tablesCreated;
  const found: Sum = ({ tablesFound }) => tablesFound;
  if (total(a, created) !== total(b, created) || total(a, found) !== total(b, found))
    yield (
      `${a.name} creates ${plural(total(a, created), 'table')} and finds ${total(a, found)} made before; ` +
      `${b.name} creates ${total(b, created)} and finds ${total(b, found)}.`
    );
  const faults: Sum = (behaviour) => behaviour.faults;
  if (total(a, faults) !== total(b, faults))
    yield `${a.name} takes ${plural(total(a, faults), 'page fault')}, ${b.name} ${total(b, faults)}.`;
  const tags = a.recording.operations.flatMap((each) => (each.type === 'snapshot' ? [each.tag] : []));
  for (const tag of tags) {
    const [one, two] = [a.recording.snapshots[tag], b.recording.snapshots[tag]];
    if (one === undefined || two === undefined) continue;
    const [hugeA, hugeB] = [hugeLeaves(one), hugeLeaves(two)];
    if (hugeA !== hugeB)
      yield `At snapshot "${tag}" ${plural(hugeA, 'huge SPTE')} are left in ${a.name}, ${hugeB} in ${b.name}.`;
  }
}

const STATES: Readonly<Record<string, string>> = {
  none: 'nothing',
  leaf: 'a page',
  table: 'a table',
  nonpresent: 'a non-present value',
};

function entryWords({ field, times: n }: FieldCount, [a, b]: Pair): string {
  const spte = plural(n, 'SPTE');
  const [one, two] = field.split('/');
  if (two !== undefined)
    return `${spte} (all snapshots together) hold ${STATES[one!] ?? one} in ${a.name} and ${STATES[two] ?? two} in ${b.name}.`;
  if (field === 'target')
    return `${spte} (all snapshots together) lead to another page, or remember another gfn or access.`;
  return `${spte} (all snapshots together) differ in ${field.replaceAll('+', ', ')}.`;
}

function fieldWords(count: FieldCount, pair: Pair): string | undefined {
  const { kind, field, first, times: n } = count;
  const [a, b] = pair;
  const was = `${first.expected} in ${a.name}, ${first.actual} in ${b.name}`;
  const more = n > 1 ? ` (and ${n - 1} more)` : '';
  switch (kind) {
    case 'entries':
      return entryWords(count, pair);
    case 'pages':
      if (field === 'missing')
        return `${plural(n, 'shadow page')} of ${a.name} are not in ${b.name}, first the ${first.where}.`;
      if (field === 'extra')
        return `${plural(n, 'shadow page')} of ${b.name} are not in ${a.name}, first the ${first.where}.`;
      if (field === 'place') return `The active list has ${plural(n, 'shadow page')} at another place.`;
      return `${first.where}: ${was}${more}.`;
    case 'parents':
    case 'rmaps':
      return `${plural(n, kind === 'rmaps' ? 'rmap' : 'parent list')} differ in ${field === 'list' ? 'their SPTEs or their order' : 'their descriptors'}, first the ${first.where}.`;
    case 'limits':
    case 'disallowed':
    case 'counters':
      return `${first.where}: ${was} at snapshot "${first.snapshot}"${more}.`;
    case 'results':
      return field.startsWith('counts.') ? undefined : `${field} of operation ${first.op}: ${was}${more}.`;
    case 'order':
      return `In ${plural(n, 'operation')} the same events come in another order, first in operation ${first.op}: ${was}.`;
    // What events tell, the sentences on behaviour have said.
    case 'splits':
    case 'attempts':
    case 'tables':
    case 'links':
    case 'faults':
    case 'walks':
    case 'tdp':
    case 'flushes':
    case 'passes':
    case 'nested':
    case 'yields':
      return undefined;
  }
}

/** What the two experiments do not have in common: then the rest says little. */
export function* setupWords([a, b]: Pair): Generator<string> {
  for (const key of ['vcpus', 'memslots', 'npt12_roots', 'module_params', 'l1_cr4'] as const)
    if (!isDeepStrictEqual(a.recording.setup[key], b.recording.setup[key]))
      yield `setup.${key} is not the same: these are not two recordings of one experiment.`;
}

function* yieldWords([a, b]: Pair, { counts }: Tally): Generator<string> {
  const times = counts.yields.different;
  if (times > 0)
    yield `${a.name} and ${b.name} give mmu_lock up at other moments (${plural(times, 'event')}); that is a matter of time.`;
}

/** Behaviour first, then what it left behind, then counters. Empty: they do not differ. */
export function differenceWords(pair: Pair, tally: Tally): string[] {
  return [
    ...setupWords(pair),
    ...flushWords(pair),
    ...splitWords(pair),
    ...tableWords(pair),
    ...tally.byField().flatMap((count) => fieldWords(count, pair) ?? []),
    ...yieldWords(pair, tally),
  ];
}
