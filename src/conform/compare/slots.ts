/** Reverse maps, limits, caches and forbidden huge pages of two dumps. */
import type { Slot, Snapshot } from '../snapshots.ts';
import type { Difference, Tally } from './difference.ts';
import { expandRmaps, type ExpandedRmap } from './expand.ts';
import type { Moment, Pairing } from './pages.ts';

const LEVELS = [1, 2, 3] as const;
const SIZES = { 1: '4 KiB', 2: '2 MiB', 3: '1 GiB' } as const;

const listText = (rmap: ExpandedRmap | undefined, nameOf: (id: string) => string): string =>
  rmap === undefined
    ? 'empty'
    : rmap.list.map(([id, index]) => `entry ${index + rmap.shift} of the ${nameOf(id)}`).join('; ');

const sameList = (a: ExpandedRmap | undefined, b: ExpandedRmap | undefined, { same }: Pairing): boolean =>
  a !== undefined &&
  b !== undefined &&
  a.list.length === b.list.length &&
  a.list.every(([id, index], k) => {
    const [otherId, otherIndex] = b.list[k]!;
    return index + a.shift === otherIndex + b.shift && same(id, otherId);
  });

const descsText = (rmap: ExpandedRmap | undefined): string =>
  rmap === undefined ? '[]' : `[${rmap.descs.join()}]`;

function compareRmaps(tally: Tally, moment: Moment, a: Slot, b: Slot, pairing: Pairing): void {
  const { op, tag } = moment;
  for (const level of LEVELS) {
    const expected = expandRmaps(a, level);
    const actual = expandRmaps(b, level);
    for (const gfn of new Set([...expected.keys(), ...actual.keys()])) {
      const [one, two] = [expected.get(gfn), actual.get(gfn)];
      const where = `${SIZES[level]} rmap of gfn ${gfn} (slot ${a.id})`;
      const about = { kind: 'rmaps', op, snapshot: tag } as const;
      if (sameList(one, two, pairing)) tally.same('rmaps');
      else
        tally.differs({
          ...about,
          field: 'list',
          where,
          expected: listText(one, pairing.nameExpected),
          actual: listText(two, pairing.nameActual),
        });
      tally.value({
        ...about,
        field: 'descs',
        where: `descriptors of the ${where}`,
        expected: descsText(one),
        actual: descsText(two),
      });
    }
  }
}

function compareDisallowed(tally: Tally, { op, tag }: Moment, a: Slot, b: Slot): void {
  for (const level of ['2', '3'] as const) {
    const expected = new Map(a.disallow_lpage[level]);
    const actual = new Map(b.disallow_lpage[level]);
    for (const gfn of new Set([...expected.keys(), ...actual.keys()]))
      tally.value({
        kind: 'disallowed',
        field: level,
        op,
        snapshot: tag,
        where: `reasons against a ${SIZES[Number(level) as 2 | 3]} page at gfn ${gfn} (slot ${a.id})`,
        expected: String(expected.get(gfn) ?? 0),
        actual: String(actual.get(gfn) ?? 0),
      });
  }
}

function limitsOf(snapshot: Snapshot): Map<string, string> {
  const limits = new Map<string, string>();
  const { n_used_mmu_pages, n_requested_mmu_pages, n_max_mmu_pages, indirect_shadow_pages } = snapshot;
  for (const [field, value] of Object.entries({
    n_used_mmu_pages,
    n_requested_mmu_pages,
    n_max_mmu_pages,
    indirect_shadow_pages,
    shadow_root_allocated: snapshot.shadow_root_allocated,
  }))
    limits.set(field, String(value));
  for (const [name, cache] of Object.entries(snapshot.split_caches)) {
    limits.set(`${name}.nobjs`, String(cache.nobjs));
    limits.set(`${name}.capacity`, String(cache.capacity));
  }
  for (const { id, base_gfn, npages, dirty_logging } of snapshot.slots)
    limits.set(
      `slot ${id}`,
      `gfn ${base_gfn}, ${npages} pages, dirty logging ${dirty_logging ? 'on' : 'off'}`,
    );
  return limits;
}

export function compareSlots(tally: Tally, moment: Moment, pairing: Pairing): void {
  const { op, tag, expected, actual } = moment;
  const [limits, others] = [limitsOf(expected), limitsOf(actual)];
  for (const field of new Set([...limits.keys(), ...others.keys()])) {
    const difference: Difference = {
      kind: 'limits',
      field,
      op,
      snapshot: tag,
      where: field,
      expected: limits.get(field) ?? 'absent',
      actual: others.get(field) ?? 'absent',
    };
    tally.value(difference);
  }
  for (const slot of expected.slots) {
    const other = actual.slots.find(({ id }) => id === slot.id);
    if (other === undefined) continue;
    compareRmaps(tally, moment, slot, other, pairing);
    compareDisallowed(tally, moment, slot, other);
  }
}
