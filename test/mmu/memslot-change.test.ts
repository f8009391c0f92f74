// kernel-facts A18, Q40, Q48, B-53: memslots that go, come and move.
import { describe, expect, it } from 'vitest';
import { ALL_STATE_CHECKS } from '../../src/check/all.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { enableDirtyLogging } from '../../src/mmu/dirty-log.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { EEXIST, EINVAL, ENOENT } from '../../src/mmu/errno.ts';
import { KVM, type Kvm } from '../../src/mmu/kvm.ts';
import { MEMSLOT_GONE, type MemSlot } from '../../src/mmu/memslot.ts';
import { createMemslot, deleteMemslot, moveMemslot, zapMemslotOnly } from '../../src/mmu/memslot-change.ts';
import { Bench, leaves } from '../support/machines.ts';
import { findings } from '../support/q-machine.ts';
import { castMachine, EXTRA_PAGES } from '../support/vm-wide.ts';

const MOVED = [{ pages: EXTRA_PAGES }, { pages: EXTRA_PAGES, gone: true, sharesMemoryOf: 2 }];

/** L2 has written to every page of both slots. */
function written(engine: Partial<Engine> = {}, extraSlots = MOVED): { bench: Bench; extra: MemSlot } {
  const bench = new Bench(castMachine([], { vcpus: 1 }, { extraSlots }), { ...P1_ENGINE, ...engine });
  const extra = bench.kvm.slots[2]!;
  for (const { baseGfn, npages } of [bench.slot, extra]) {
    for (let page = 0; page < npages; page++) bench.touch(baseGfn + page, 'write');
  }
  return { bench, extra };
}

const mapped = ({ kvm }: Bench, slot: MemSlot): boolean =>
  [1, 2].some((level) =>
    Array.from({ length: slot.npages }, (_, page) => slot.baseGfn + page).some(
      (gfn) => kvm.w[slot.rmapWord(gfn, level)] !== 0,
    ),
  );
const version = (kvm: Kvm, slot: MemSlot, page: number): number =>
  kvm.w[kvm.layout.memory + slot.pfn(slot.baseGfn + page)]!;

describe('a slot that is deleted', () => {
  it('is mapped by nothing any more, and its log is gone', () => {
    const { bench, extra } = written();
    const { kvm, cpu } = bench;
    bench.run(enableDirtyLogging(kvm, cpu, extra));
    bench.touch(extra.baseGfn, 'write');
    expect(mapped(bench, extra)).toBe(true);
    expect(bench.run(deleteMemslot(kvm, cpu, extra))).toBe(0);
    expect([mapped(bench, extra), kvm.w[extra.flagsWord], kvm.w[extra.logStateWord]]).toEqual([
      false,
      MEMSLOT_GONE,
      0,
    ]);
    const { dirtyBitmap, bitmapWords } = extra.layout;
    expect(
      Array.from(kvm.w.subarray(dirtyBitmap, dirtyBitmap + bitmapWords)).every((bits) => bits === 0),
    ).toBe(true);
    expect([kvm.w[kvm.base + KVM.slotsArchState], kvm.w[kvm.slotsLock.state]]).toEqual([0, 0]);
    expect(findings(kvm, ALL_STATE_CHECKS)).toEqual([]);
    expect(bench.run(deleteMemslot(kvm, cpu, extra))).toBe(ENOENT);
    expect(bench.counter('slotsDeleted')).toBe(1);
  });

  it('comes back with its memory', () => {
    const { bench, extra } = written();
    const { kvm, cpu } = bench;
    const before = version(kvm, extra, 3);
    bench.run(deleteMemslot(kvm, cpu, extra));
    bench.touch(extra.baseGfn + 3, 'write');
    expect(version(kvm, extra, 3)).toBe(before);
    expect(bench.run(createMemslot(kvm, cpu, extra))).toBe(0);
    bench.touch(extra.baseGfn + 3, 'write');
    expect(version(kvm, extra, 3)).toBe(before + 1);
    expect(bench.run(createMemslot(kvm, cpu, extra))).toBe(EEXIST);
    expect(findings(kvm, ALL_STATE_CHECKS)).toEqual([]);
  });

  it('is found out if what maps it was not zapped (Q40)', () => {
    const { bench, extra } = written({ *flushShadowMemslot() {} });
    bench.run(deleteMemslot(bench.kvm, bench.cpu, extra));
    expect(bench.seen.broke.map(({ id }) => id)).toEqual(['Q40']);
  });

  it('takes only its own mappings with it if the quirk of 6.12 is off', () => {
    const { bench, extra } = written({ flushShadowMemslot: zapMemslotOnly });
    const others = leaves(bench.kvm, 2).length;
    bench.seen.flushes.length = 0;
    bench.run(deleteMemslot(bench.kvm, bench.cpu, extra));
    expect([mapped(bench, extra), mapped(bench, bench.slot)]).toEqual([false, true]);
    expect(leaves(bench.kvm, 2).length).toBeLessThan(others);
    expect(bench.seen.flushes.map(({ reason }) => reason)).toEqual(['memslot']);
    expect(findings(bench.kvm, ALL_STATE_CHECKS)).toEqual([]);
  });
});

describe('a slot that moves', () => {
  it('shows the same memory at its new gfns, and no slot has the old ones', () => {
    const { bench, extra } = written();
    const { kvm, cpu } = bench;
    const to = kvm.slots[3]!;
    const before = version(kvm, extra, 0);
    expect(bench.run(moveMemslot(kvm, cpu, extra, to))).toBe(0);
    expect([extra.gone, to.gone, mapped(bench, extra)]).toEqual([true, false, false]);
    bench.touch(to.baseGfn, 'write');
    bench.touch(extra.baseGfn, 'write');
    expect([version(kvm, extra, 0), bench.counter('mmioSptes')]).toEqual([before + 1, 1]);
    expect(bench.run(moveMemslot(kvm, cpu, to, extra))).toBe(0);
    bench.touch(extra.baseGfn, 'write');
    expect(version(kvm, extra, 0)).toBe(before + 2);
    expect(findings(kvm, ALL_STATE_CHECKS)).toEqual([]);
  });

  it('is refused without a slot, onto a slot, and to other memory', () => {
    const { bench, extra } = written();
    const { kvm, cpu } = bench;
    const to = kvm.slots[3]!;
    expect([
      bench.run(moveMemslot(kvm, cpu, to, extra)),
      bench.run(moveMemslot(kvm, cpu, extra, bench.slot)),
      bench.run(moveMemslot(kvm, cpu, extra, extra)),
    ]).toEqual([ENOENT, EINVAL, EEXIST]);
  });
});
