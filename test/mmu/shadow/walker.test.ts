// slot_handle_level_range, kernel-facts 3.3.
import { describe, expect, it } from 'vitest';
import { HELD_MMU_WRITE } from '../../../src/cpu/cpu.ts';
import { slotHandleLevel } from '../../../src/mmu/shadow/walker.ts';
import { Bench, identity, machineOf, rootOf, type Given } from '../../support/machines.ts';

/** Visits heads of `level` of [start, end), relative to the slot; returns their indices. */
function visit(
  bench: Bench,
  start: number,
  end: number,
  level: number,
  answer: (head: number) => boolean = () => false,
  flushOnYield = true,
): number[] {
  const { kvm, cpu, slot } = bench;
  const seen: number[] = [];
  const first = slot.rmapWord(slot.baseGfn, level);
  bench.run(kvm.writeLock(cpu));
  bench.run(
    slotHandleLevel(
      kvm,
      cpu,
      slot,
      slot.baseGfn + start,
      slot.baseGfn + end,
      level,
      function* (head) {
        seen.push(head - first);
        return answer(head - first);
      },
      flushOnYield,
    ),
  );
  bench.run(kvm.writeUnlock(cpu));
  return seen;
}

const full = (given: Given = {}): Bench => new Bench(machineOf(identity(2), { backing: '2m', ...given }));
/** 2M pages 1 and 3 of four are mapped. */
const gaps = (given: Given = {}): Bench =>
  new Bench(
    machineOf(
      rootOf(({ base, huge2 }) =>
        [1, 3].map((page) => ({
          l2Gfn: base + page * huge2,
          l1Gfn: base + page * huge2,
          level: 2 as const,
          count: 1,
        })),
      ),
      { backing: '2m', ...given },
    ),
  );

describe('the walk over rmap heads', () => {
  it('visits the heads of the range, each once, in order', () => {
    expect(visit(full(), 0, 16, 2)).toEqual([0, 1, 2, 3]);
    expect(visit(full(), 5, 9, 2)).toEqual([1, 2]);
    expect(visit(full(), 4, 8, 2)).toEqual([1]);
  });

  it('visits the first head even if it is empty, and skips later ones that are', () => {
    expect(visit(gaps(), 0, 16, 2)).toEqual([0, 1, 3]);
    expect(visit(gaps(), 8, 12, 2)).toEqual([2]);
    expect(visit(full(), 0, 16, 1)).toEqual([0]);
  });

  it('visits the first head of an empty range: what saves the nested part of CLEAR from B-01', () => {
    expect(visit(full(), 8, 8, 2)).toEqual([2]);
    expect(visit(full(), 9, 9, 2)).toEqual([2]);
  });

  it('asks after every head it visits whether to give the lock up, and not at heads it skips', () => {
    const bench = gaps({ reschedRate: 1 });
    const before = bench.cpu.mmuReleases;
    visit(bench, 0, 16, 2);
    expect([bench.counter('walkerYields'), bench.cpu.mmuReleases - before]).toEqual([3, 4]);
    expect(bench.cpu.held & HELD_MMU_WRITE).toBe(0);
  });

  it('flushes before it gives the lock up if the handler owes a flush, from the start to one page into the last (H-E)', () => {
    const bench = full({ reschedRate: 1 });
    visit(bench, 0, 16, 2, (head) => head === 2);
    expect(bench.seen.flushes).toEqual([
      { reason: 'end-of-ioctl', gfn: bench.slot.baseGfn, pages: 2 * 4 + 1 },
    ]);
  });

  it('leaves the flush to the caller when told so, and says that one is owed', () => {
    const { kvm, cpu, slot, seen, run } = full({ reschedRate: 1 });
    const walk = (owes: boolean): boolean =>
      run(
        slotHandleLevel(
          kvm,
          cpu,
          slot,
          slot.baseGfn,
          slot.baseGfn + 16,
          2,
          function* () {
            return owes;
          },
          false,
        ),
      );
    run(kvm.writeLock(cpu));
    expect([walk(true), walk(false)]).toEqual([true, false]);
    run(kvm.writeUnlock(cpu));
    expect(seen.flushes).toEqual([]);
  });
});
