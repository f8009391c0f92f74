/** Which shadow page of one dump is which of the other, and how they differ. */
import type { ShadowPage, Snapshot } from '../snapshots.ts';
import { align } from './align.ts';
import type { Tally } from './difference.ts';
import { expandEntries, type ExpandedEntry } from './expand.ts';
import { UNKNOWN_GFN, type HostMap } from './host-map.ts';
import { bitsOf, pfnOf } from '../spte-text.ts';
import { accessText, pageKey, pageText } from './names.ts';
import { bitNames, leafText } from './sptes.ts';

/** The two dumps of one moment. */
export interface Moment {
  readonly tag: string;
  readonly op: number;
  readonly expected: Snapshot;
  readonly actual: Snapshot;
}

export interface Pairing {
  readonly pairs: ReadonlyArray<readonly [expected: ShadowPage, actual: ShadowPage]>;
  readonly missing: readonly ShadowPage[];
  readonly extra: readonly ShadowPage[];
  /** Whether the ids, one of either dump, are of a pair. */
  readonly same: (expectedId: string, actualId: string) => boolean;
  /** A page by its id in either dump: the same text for both of a pair. */
  readonly nameExpected: (id: string) => string;
  readonly nameActual: (id: string) => string;
}

/** The loader refuses such a dump; the model's own is not loaded. */
const ABSENT = 'a table that is not in the dump';

const PAGE_BITS = [
  'invalid',
  'efer_nx',
  'cr0_wp',
  'smep_andnot_wp',
  'smap_andnot_wp',
  'ad_disabled',
  'guest_mode',
  'passthrough',
] as const;

function queues(pages: readonly ShadowPage[]): Map<string, ShadowPage[]> {
  const map = new Map<string, ShadowPage[]>();
  for (const page of pages) {
    const key = pageKey(page);
    const list = map.get(key);
    if (list === undefined) map.set(key, [page]);
    else list.push(page);
  }
  return map;
}

/** By what KVM finds pages by; what is left by the place at which a page hangs. */
export function pairPages(expected: Snapshot, actual: Snapshot): Pairing {
  const byKey = queues(actual.shadow_pages);
  const toActual = new Map<string, ShadowPage>();
  const left: ShadowPage[] = [];
  for (const page of expected.shadow_pages) {
    const other = byKey.get(pageKey(page))?.shift();
    if (other === undefined) left.push(page);
    else toActual.set(page.id, other);
  }
  const free = new Map([...byKey.values()].flat().map((page) => [page.id, page]));
  const expectedById = new Map(expected.shadow_pages.map((page) => [page.id, page]));
  const hanging = (page: ShadowPage): ShadowPage | undefined => {
    for (const [id, index] of page.parents ?? []) {
      const parent = toActual.get(id);
      const child = parent?.entries.find(({ i }) => i === index)?.child;
      if (child !== undefined && free.has(child)) return free.get(child);
    }
    return [...free.values()].find(
      (other) =>
        other.mmu === page.mmu &&
        other.role.level === page.role.level &&
        (other.parents ?? []).length === 0 &&
        (page.parents ?? []).length === 0,
    );
  };
  const missing: ShadowPage[] = [];
  // From the top down, so that a parent is paired before its children.
  for (const page of left.toSorted((a, b) => b.role.level - a.role.level)) {
    const other = hanging(page);
    if (other === undefined) missing.push(page);
    else {
      free.delete(other.id);
      toActual.set(page.id, other);
    }
  }
  const names = new Map([...toActual].map(([id, other]) => [other.id, pageText(expectedById.get(id)!)]));
  return {
    pairs: expected.shadow_pages.flatMap((page) => {
      const other = toActual.get(page.id);
      return other === undefined ? [] : [[page, other] as const];
    }),
    missing,
    extra: actual.shadow_pages.filter(({ id }) => free.has(id)),
    same: (id, other) => toActual.get(id)?.id === other,
    nameExpected: (id) => (expectedById.has(id) ? pageText(expectedById.get(id)!) : ABSENT),
    nameActual: (id) => names.get(id) ?? (free.has(id) ? `an extra ${pageText(free.get(id)!)}` : ABSENT),
  };
}

const present = (entry: ExpandedEntry | undefined): string => entry?.t ?? 'none';

function entryText(entry: ExpandedEntry | undefined, host: HostMap, nameOf: (id: string) => string): string {
  if (entry === undefined) return 'none';
  if (entry.t === 'nonpresent') return `nonpresent ${entry.spte.toString(16)}`;
  if (entry.t === 'table') return `${nameOf(entry.child!)}: ${bitNames(entry.spte)}`;
  const remembered =
    entry.gfn === undefined && entry.access === undefined
      ? ''
      : `, remembers gfn ${entry.gfn ?? 'none'} ${entry.access === undefined ? 'none' : accessText(entry.access)}`;
  return `leaf ${leafText(entry.spte, host)}${remembered}`;
}

function sameEntry(
  a: ExpandedEntry,
  b: ExpandedEntry,
  same: Pairing['same'],
  hosts: readonly [HostMap, HostMap],
): boolean {
  if (a.t !== b.t || a.gfn !== b.gfn || a.access !== b.access) return false;
  if (a.t === 'nonpresent') return a.spte === b.spte;
  if (bitsOf(a.spte) !== bitsOf(b.spte)) return false;
  if (a.t === 'table') return same(a.child!, b.child!);
  const gfn = hosts[0].gfnOf(Number(pfnOf(a.spte)));
  return gfn !== UNKNOWN_GFN && gfn === hosts[1].gfnOf(Number(pfnOf(b.spte)));
}

/** What an entry difference is about: the kind, the target, or single bits. */
function entryField(a: ExpandedEntry | undefined, b: ExpandedEntry | undefined): string {
  if (present(a) !== present(b)) return `${present(a)}/${present(b)}`;
  const bitsA = new Set(bitNames(a!.spte).split(' '));
  const bitsB = new Set(bitNames(b!.spte).split(' '));
  const odd = [...bitsA].filter((bit) => !bitsB.has(bit)).concat([...bitsB].filter((bit) => !bitsA.has(bit)));
  return odd.length === 0 ? 'target' : odd.join('+');
}

function compareEntries(
  tally: Tally,
  { tag, op }: Moment,
  [expected, actual]: Pairing['pairs'][number],
  pairing: Pairing,
  hosts: readonly [HostMap, HostMap],
): void {
  const a = expandEntries(expected);
  const b = expandEntries(actual);
  for (let i = 0; i < a.length; i++) {
    const [one, two] = [a[i], b[i]];
    if (one === undefined && two === undefined) continue;
    if (one !== undefined && two !== undefined && sameEntry(one, two, pairing.same, hosts)) {
      tally.same('entries');
      continue;
    }
    tally.differs({
      kind: 'entries',
      field: entryField(one, two),
      op,
      snapshot: tag,
      where: `entry ${i} of the ${pageText(expected)}`,
      expected: entryText(one, hosts[0], pairing.nameExpected),
      actual: entryText(two, hosts[1], pairing.nameActual),
    });
  }
}

const listText = (list: ShadowPage['parents'], nameOf: (id: string) => string): string =>
  (list ?? []).length === 0
    ? 'none'
    : list!.map(([id, index]) => `entry ${index} of the ${nameOf(id)}`).join('; ');

function comparePage(tally: Tally, moment: Moment, pair: Pairing['pairs'][number], pairing: Pairing): void {
  const [a, b] = pair;
  const { op, tag } = moment;
  const where = pageText(a);
  const value = (field: string, expected: string | number, actual: string | number): void =>
    tally.value({
      kind: 'pages',
      field,
      op,
      snapshot: tag,
      where: `${where}: ${field}`,
      expected: String(expected),
      actual: String(actual),
    });
  value('mmu', a.mmu, b.mmu);
  value('gfn', a.gfn, b.gfn);
  value('level', a.role.level, b.role.level);
  value('direct', a.role.direct, b.role.direct);
  value('access', accessText(a.role.access), accessText(b.role.access));
  for (const bit of PAGE_BITS) value(bit, a.role[bit], b.role[bit]);
  value('root_count', a.root_count, b.root_count);
  value('unsync', a.unsync, b.unsync);
  value('nx_huge_page_disallowed', a.nx_huge_page_disallowed, b.nx_huge_page_disallowed);
  tally.value({
    kind: 'parents',
    field: 'list',
    op,
    snapshot: tag,
    where: `parents of the ${where}`,
    expected: listText(a.parents, pairing.nameExpected),
    actual: listText(b.parents, pairing.nameActual),
  });
  tally.value({
    kind: 'parents',
    field: 'descs',
    op,
    snapshot: tag,
    where: `descriptors of the parents of the ${where}`,
    expected: JSON.stringify(a.parent_descs ?? []),
    actual: JSON.stringify(b.parent_descs ?? []),
  });
}

/** The active list: newest first, the shadow MMU's pages only. */
function compareOrder(tally: Tally, { op, tag, expected, actual }: Moment, pairing: Pairing): void {
  const paired = new Map(pairing.pairs.map(([a, b]) => [b.id, a.id]));
  const own = new Set(pairing.pairs.map(([a]) => a.id));
  const a = expected.shadow_pages
    .filter(({ mmu, id }) => mmu === 'shadow' && own.has(id))
    .map(({ id }) => id);
  const b = actual.shadow_pages
    .filter(({ mmu, id }) => mmu === 'shadow' && paired.has(id))
    .map(({ id }) => paired.get(id)!);
  let moved = 0;
  for (const { aStart, aEnd, bStart, bEnd } of align(a, b)) {
    for (let k = 0; k < Math.max(aEnd - aStart, bEnd - bStart) && moved < a.length; k++, moved++) {
      const from = a[aStart + k];
      const to = b[bStart + k];
      tally.differs({
        kind: 'pages',
        field: 'place',
        op,
        snapshot: tag,
        where: `place ${aStart + k} of the active list`,
        expected: from === undefined ? 'another place' : pairing.nameExpected(from),
        actual: to === undefined ? 'another place' : pairing.nameExpected(to),
      });
    }
  }
  tally.same('pages', a.length - moved);
}

export function comparePages(
  tally: Tally,
  moment: Moment,
  pairing: Pairing,
  hosts: readonly [HostMap, HostMap],
): void {
  const { op, tag } = moment;
  for (const page of pairing.missing)
    tally.differs({
      kind: 'pages',
      field: 'missing',
      op,
      snapshot: tag,
      where: pageText(page),
      expected: `there, with ${page.entries.length} runs of entries`,
      actual: 'no such page',
    });
  for (const page of pairing.extra)
    tally.differs({
      kind: 'pages',
      field: 'extra',
      op,
      snapshot: tag,
      where: pageText(page),
      expected: 'no such page',
      actual: `there, with ${page.entries.length} runs of entries`,
    });
  for (const pair of pairing.pairs) {
    comparePage(tally, moment, pair, pairing);
    compareEntries(tally, moment, pair, pairing, hosts);
  }
  compareOrder(tally, moment, pairing);
}
