// kernel-facts A15, E3, on a slot of four 2M pages of four pages each; rings of 16 entries, 6 of them in reserve.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { onDirtyRingFull, reapDirtyRings } from '../../../src/actors/dirty-rings.ts';
import { clearDirtyLog, enableDirtyLogging, getDirtyLog, markPageDirty } from '../../../src/mmu/dirty-log.ts';
import { EINVAL, ENXIO } from '../../../src/mmu/errno.ts';
import { isWritable } from '../../../src/mmu/format.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import {
  dirtyRingSoftFull,
  inDirtyRing,
  RING_DIRTIED,
  RING_HARVESTED,
  RING_SLOT_SHIFT,
  ringEntry,
  ringReserved,
} from '../../../src/mmu/log/dirty-ring.ts';
import { ResetMask, resetDirtyRings } from '../../../src/mmu/log/ring-reset.ts';
import { pageGetGfn } from '../../../src/mmu/shadow-page.ts';
import { enterGuest, exitGuest } from '../../../src/mmu/vcpu.ts';
import { Bench, identity, leaves, machineOf, type Given } from '../../support/machines.ts';
import { holds } from '../../support/property.ts';

const RING = 16;

function logged(given: Given = {}): Bench {
  const bench = new Bench(machineOf(identity(2), { backing: '2m', dirtyRing: RING, ...given }));
  bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
  return bench;
}

const write = (bench: Bench, ...pages: number[]): void => {
  for (const page of pages) bench.touch(bench.slot.baseGfn + page, 'write');
};

/** Flags, slot and offset of the entries in use of a vCPU's ring. */
const entries = ({ kvm }: Bench, vcpu = 0): number[][] =>
  Array.from({ length: kvm.config.ringEntries }, (_, at) => {
    const entry = ringEntry(kvm, vcpu, at);
    return [kvm.w[entry]! & 3, kvm.w[entry]! >> RING_SLOT_SHIFT, kvm.w[entry + 1]!];
  }).filter(([flags]) => flags !== 0);

/** Turns what a vCPU has pushed into harvested entries, as user space does. */
function harvest({ kvm }: Bench, vcpu = 0): void {
  for (let at = 0; at < kvm.config.ringEntries; at++) {
    const entry = ringEntry(kvm, vcpu, at);
    if (kvm.w[entry] !== 0) kvm.arena.put(entry, (kvm.w[entry]! & ~RING_DIRTIED) | RING_HARVESTED);
  }
}

const writable = ({ kvm, slot }: Bench): number[] =>
  leaves(kvm, 1)
    .filter(({ lo }) => isWritable(lo))
    .map(({ sp, index }) => pageGetGfn(kvm, sp, index) - slot.baseGfn)
    .sort((a, b) => a - b);

const reset = (bench: Bench): number => bench.run(resetDirtyRings(bench.kvm, bench.cpu));
const ends = (bench: Bench): number => bench.counter('flushEndOfIoctl');
const bitmap = ({ kvm, slot }: Bench): number => kvm.w[slot.layout.dirtyBitmap]!;

describe('a write to a logged page', () => {
  it('goes into the ring of the vCPU that made it, and not into a bitmap', () => {
    const bench = logged();
    write(bench, 5, 11);
    bench.touch(bench.slot.baseGfn + 3, 'write', 0, 1);
    expect(entries(bench, 0)).toEqual([
      [RING_DIRTIED, 1, 5],
      [RING_DIRTIED, 1, 11],
    ]);
    expect([entries(bench, 1), bitmap(bench), writable(bench)]).toEqual([
      [[RING_DIRTIED, 1, 3]],
      0,
      [3, 5, 11],
    ]);
    expect([5, 6, 3].map((page) => inDirtyRing(bench.kvm, bench.slot, bench.slot.baseGfn + page))).toEqual([
      true,
      false,
      true,
    ]);
  });

  it('of a thread that runs no vCPU is lost, which D6 says', () => {
    const bench = logged();
    bench.cpu.runningVcpu = -1;
    bench.run(markPageDirty(bench.kvm, bench.cpu, bench.slot, bench.slot.baseGfn));
    expect(bench.seen.broke.map(({ id }) => id)).toEqual(['D6']);
  });

  it('does not fit into a full ring: that must never happen', () => {
    const bench = logged();
    bench.vcpu();
    const push = (page: number): void =>
      bench.run(markPageDirty(bench.kvm, bench.cpu, bench.slot, bench.slot.baseGfn + page));
    for (let page = 0; page < RING; page++) push(page);
    expect(() => push(0)).toThrow(/the dirty ring of vCPU 0 is full/);
  });
});

describe('a ring that is nearly full', () => {
  it('keeps its vCPU out of the guest until user space has harvested and reset it', () => {
    const bench = logged();
    const { kvm } = bench;
    const room = RING - ringReserved(kvm.config);
    for (let page = 0; page < room; page++) write(bench, page);
    const vcpu = bench.vcpu();
    expect([bench.run(enterGuest(vcpu)), vcpu.ringFull, bench.counter('ringFull')]).toEqual([false, true, 1]);
    harvest(bench);
    expect(bench.run(enterGuest(vcpu))).toBe(false);
    reset(bench);
    expect([bench.run(enterGuest(vcpu)), vcpu.ringFull]).toEqual([true, false]);
    bench.run(exitGuest(vcpu));
  });

  it('lets it in one entry earlier', () => {
    const bench = logged();
    for (let page = 1; page < RING - ringReserved(bench.kvm.config); page++) write(bench, page);
    expect(bench.run(dirtyRingSoftFull(bench.vcpu()))).toBe(false);
  });

  it('is emptied by its own vCPU thread, into the bitmap of user space', () => {
    const bench = logged();
    for (let page = 0; page < 10; page++) write(bench, page);
    const vcpu = bench.vcpu();
    bench.run(enterGuest(vcpu));
    bench.run(onDirtyRingFull(vcpu));
    expect([vcpu.ringFull, bitmap(bench), entries(bench), writable(bench)]).toEqual([false, 0x3ff, [], []]);
  });

  it('goes round: entries are used again', () => {
    const bench = logged();
    for (let round = 0; round < 5; round++) {
      write(bench, 1, 2, 3, 4, 5, 6, 7);
      expect(entries(bench).length).toBe(7);
      bench.run(reapDirtyRings(bench.kvm, bench.cpu));
    }
    expect([entries(bench), bitmap(bench), bench.counter('ringResets')]).toEqual([[], 0xfe, 35]);
  });
});

describe('KVM_RESET_DIRTY_RINGS', () => {
  it('takes W of what was harvested, frees the entries, and flushes once', () => {
    const bench = logged();
    write(bench, 1, 9);
    harvest(bench);
    write(bench, 2);
    expect([reset(bench), writable(bench), ends(bench)]).toEqual([2, [2], 2]);
    expect([entries(bench), bench.kvm.get(KVM.deferredFlush)]).toEqual([[[RING_DIRTIED, 1, 2]], 0]);
  });

  it('does nothing with what nobody harvested, and does not flush then', () => {
    const bench = logged();
    write(bench, 1);
    expect([reset(bench), writable(bench), ends(bench)]).toEqual([0, [1], 1]);
  });

  it('takes mmu_lock once for neighbours, and again for a page that is far away', () => {
    const sections = (...pages: number[]): number => {
      const bench = logged({ memory: '640K', rootLevel: 5, dirtyRing: 64 });
      write(bench, ...pages);
      harvest(bench);
      let count = 0;
      bench.seen.writeReleased = () => count++;
      reset(bench);
      expect(writable(bench)).toEqual([]);
      return count;
    };
    expect([sections(1, 2, 3, 40), sections(63, 1, 0), sections(1, 65), sections(1, 100, 2)]).toEqual([
      1, 1, 2, 3,
    ]);
  });

  it('splits under INITIALLY_SET, as CLEAR does', () => {
    const bench = new Bench(machineOf(identity(2), { backing: '2m', dirtyRing: RING }));
    bench.kvm.put(KVM.manualProtect, 3);
    bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
    bench.vcpu();
    for (const page of [4, 6])
      bench.run(markPageDirty(bench.kvm, bench.cpu, bench.slot, bench.slot.baseGfn + page));
    expect(leaves(bench.kvm, 1)).toEqual([]);
    harvest(bench);
    reset(bench);
    expect([leaves(bench.kvm, 2).length, writable(bench)]).toEqual([3, [5, 7]]);
  });

  it('is refused without rings; GET and CLEAR are refused with them', () => {
    const bench = logged();
    const without = logged({ dirtyRing: 0 });
    expect([
      reset(without),
      bench.run(getDirtyLog(bench.kvm, bench.cpu, bench.slot)),
      bench.run(clearDirtyLog(bench.kvm, bench.cpu, bench.slot, 0, 64)),
      bench.kvm.w[bench.kvm.slotsLock.state],
    ]).toEqual([EINVAL, ENXIO, ENXIO, 0]);
  });
});

describe('the mask of a reset', () => {
  it('holds exactly the pages it took, at any offset and in any order', () => {
    holds(
      fc.property(fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 30 }), (offsets) => {
        const mask = new ResetMask();
        expect([mask.empty, mask.add(0, 5)]).toEqual([true, false]);
        mask.begin(2, offsets[0]!);
        const taken = new Set([offsets[0]!]);
        for (const offset of offsets) {
          const before = [...taken];
          const fits = Math.max(...before, offset) - Math.min(mask.offset, offset) < 64;
          expect(mask.add(2, offset)).toBe(fits);
          if (fits) taken.add(offset);
        }
        const bits = (BigInt(mask.hi >>> 0) << 32n) | BigInt(mask.lo >>> 0);
        const held = Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => (bits >> BigInt(bit)) & 1n);
        expect(held.map((bit) => mask.offset + bit)).toEqual([...taken].sort((a, b) => a - b));
      }),
    );
    const mask = new ResetMask();
    mask.begin(2, 10);
    expect(mask.add(1, 11)).toBe(false);
  });
});
