// The paging-structure cache: what it remembers, what takes it away, and what a stale entry does.
import { describe, expect, it } from 'vitest';
import { pscCheck } from '../../src/check/psc.ts';
import { flushRemoteTlbs } from '../../src/mmu/flush.ts';
import { pscRangePending, publishRange } from '../../src/mmu/flush-range.ts';
import { translate } from '../../src/mmu/hardware.ts';
import { pteListEntries } from '../../src/mmu/pte-list.ts';
import { pscEntries } from '../../src/mmu/psc.ts';
import { parentPtesWord } from '../../src/mmu/shadow-page.ts';
import { ACCESS_READ } from '../../src/mmu/shadow/walk-addr.ts';
import { tlbDropPage, tlbFlushAll, tlbFlushRoot } from '../../src/mmu/tlb.ts';
import { enterGuest } from '../../src/mmu/vcpu.ts';
import { Bench, identity, machineOf } from '../support/machines.ts';
import { findings } from '../support/q-machine.ts';

/** Sixteen pages of 4K: four level-1 tables below one of level 2. */
const bench = (psc = 8, given = {}): Bench =>
  new Bench(machineOf(identity(1), { backing: '4k', psc, vcpus: 1, ...given }));
const levels = (made: Bench): number[] => pscEntries(made.kvm, 0).map(({ level }) => level);
/** Loads that a walk of one gfn takes. */
function loads(made: Bench, l2Gfn: number): number {
  const vcpu = made.vcpu();
  const { cpu } = made;
  const before = cpu.load64.bind(cpu);
  let count = 0;
  cpu.load64 = (q) => {
    count++;
    before(q);
  };
  made.run(translate(vcpu, l2Gfn, ACCESS_READ));
  cpu.load64 = before;
  return count;
}

/** Nothing cached; then one walk. */
function walked(psc = 8, given = {}): Bench {
  const made = bench(psc, given);
  tlbFlushAll(made.vcpu());
  expect(loads(made, made.slot.baseGfn)).toBe(3);
  return made;
}

/** The level-1 table that the last walk has remembered. */
const tableFound = (made: Bench): number => pscEntries(made.kvm, 0).find(({ level }) => level === 2)!.table;

describe('a walk with a paging-structure cache', () => {
  it('starts at the lowest table that is known for the address', () => {
    const made = walked();
    const { baseGfn } = made.slot;
    expect(levels(made)).toEqual([3, 2]);
    // The same level-1 table; another one; one that is known again.
    expect([baseGfn + 1, baseGfn + 5, baseGfn + 6].map((gfn) => loads(made, gfn))).toEqual([1, 2, 1]);
    expect(levels(made)).toEqual([3, 2, 2]);
  });

  it('without one starts at the root', () => {
    const made = walked(0);
    expect([loads(made, made.slot.baseGfn + 1), levels(made)]).toEqual([3, []]);
  });

  it('replaces the oldest entry when it is full', () => {
    const made = walked(2);
    loads(made, made.slot.baseGfn + 5);
    expect(levels(made)).toEqual([2, 2]);
  });
});

describe('what is remembered goes', () => {
  it.each([
    ['by a full flush', (made: Bench) => tlbFlushAll(made.vcpu()), 0],
    ['by INVEPT of its root', (made: Bench) => tlbFlushRoot(made.vcpu(), 0), 0],
    ['not by INVEPT of another', (made: Bench) => tlbFlushRoot(made.vcpu(), 1), 3],
    // The entries on the way to that page; the other level-1 table stays.
    ['on the way to a fault', (made: Bench) => tlbDropPage(made.vcpu(), 0, made.slot.baseGfn), 1],
  ])('%s', (_name, drop, left) => {
    const made = walked();
    loads(made, made.slot.baseGfn + 5);
    drop(made);
    expect(levels(made)).toHaveLength(left);
  });

  it.each([
    ['range-l1', 1],
    ['range-l2', 0],
  ])('by a range in %s: %i entries stay', (flushBackend, left) => {
    const made = walked(8, { flushBackend });
    const { kvm, cpu, slot } = made;
    loads(made, slot.baseGfn + 5);
    const pending = (): number => pscEntries(kvm, 0).filter((entry) => pscRangePending(kvm, entry)).length;
    expect(pending()).toBe(0);
    made.run(publishRange(kvm, cpu, 0, slot.baseGfn, 1));
    expect(pending()).toBe(3 - left);
    made.run(flushRemoteTlbs(kvm, cpu, 'fault', slot.baseGfn, 1));
    made.run(enterGuest(made.vcpu()));
    expect(levels(made)).toHaveLength(left);
  });

  it('when the entry that it leads to maps nothing', () => {
    const made = walked();
    const { kvm } = made;
    kvm.arena.put((kvm.tablesQ + (tableFound(made) << kvm.tableBits) + 1) * 2, 0);
    expect(made.run(translate(made.vcpu(), made.slot.baseGfn + 1, ACCESS_READ))).toBe(-1);
    expect(levels(made)).toEqual([]);
  });
});

describe('a stale entry', () => {
  it('lets walks go on through a table that was unlinked, which Q49 reports; once it was freed, Q51', () => {
    const made = walked();
    const { kvm, slot } = made;
    const table = tableFound(made);
    const ids = (): string[] => findings(kvm, [pscCheck]).map(({ id }) => id);
    expect(ids()).toEqual([]);
    // 5.6: non-leaf to 0 without a flush.
    const [parent] = pteListEntries(kvm, parentPtesWord(kvm, kvm.w[kvm.tableOwner + table]!));
    kvm.arena.put(parent! * 2, 0);
    expect(ids()).toEqual(['Q49']);
    expect(made.run(translate(made.vcpu(), slot.baseGfn + 1, ACCESS_READ))).toBe(slot.pfn(slot.baseGfn + 1));
    kvm.arena.put(kvm.tableOwner + table, 0);
    expect(ids()).toEqual(['Q51']);
    tlbFlushAll(made.vcpu());
    expect(ids()).toEqual([]);
    expect(made.run(translate(made.vcpu(), slot.baseGfn + 1, ACCESS_READ))).toBe(-1);
  });
});
