// kernel-facts 5.2 step 3, 5.4, D17: what a fault finds at the host, and when it must look again.
import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../../src/cpu/cpu.ts';
import { faultinPfn, isInvalidated, prefetchAllowed, type HostFault } from '../../../src/mmu/host/faultin.ts';
import { makeWritable, mergePage, migratePages, swapOut } from '../../../src/mmu/host/host-memory.ts';
import { invalidateRangeEnd, invalidateRangeStart } from '../../../src/mmu/host/notifier.ts';
import { hostRange } from '../../../src/mmu/host/range.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { hostMachine } from '../../support/host.ts';
import { Bench, identity, leaves, machineOf } from '../../support/machines.ts';
import { Stage, twice } from '../../support/programs.ts';

const bench = (): Bench => new Bench(hostMachine([{ kind: 'mmu-notifier' }], {}, identity(2, [])));

function lookUp(b: Bench, write: boolean, page = 0): HostFault {
  const fault: HostFault = {
    slot: b.slot,
    gfn: b.slot.baseGfn + page,
    write,
    seq: -1,
    pfn: -1,
    hostWritable: false,
  };
  b.run(faultinPfn({ kvm: b.kvm, cpu: b.cpu }, fault));
  return fault;
}

describe('the lookup', () => {
  it('finds frame and permission of a page that is there, and the sequence', () => {
    const b = bench();
    b.run(migratePages(b.kvm, b.cpu, b.slot, b.slot.baseGfn, b.slot.baseGfn + 1));
    expect(lookUp(b, false)).toMatchObject({ seq: 1, pfn: b.slot.pfn(b.slot.baseGfn), hostWritable: true });
  });

  it('takes no look at the host where nothing ever moves', () => {
    const b = new Bench(machineOf(identity(2, [])));
    expect(lookUp(b, true)).toMatchObject({ seq: 0, pfn: b.slot.config.basePfn, hostWritable: true });
    expect(b.slot.hostWord(b.slot.baseGfn)).toBe(0);
  });

  it('brings a page back that was swapped out', () => {
    const b = bench();
    b.run(swapOut(b.kvm, b.cpu, b.slot, b.slot.baseGfn, b.slot.baseGfn + 1));
    expect(lookUp(b, false).hostWritable).toBe(true);
    expect(b.slot.hostPresent(b.slot.baseGfn)).toBe(true);
  });

  it('reads a shared page read-only, and breaks the sharing for a write', () => {
    const b = bench();
    b.run(mergePage(b.kvm, b.cpu, b.slot, b.slot.baseGfn, true));
    expect(lookUp(b, false).hostWritable).toBe(false);
    const fault = lookUp(b, true);
    expect([fault.hostWritable, fault.pfn]).toEqual([true, b.slot.pfn(b.slot.baseGfn)]);
    // Its own notifier may have run in between; then it has to look again.
    expect(isInvalidated(b.kvm, b.cpu, fault)).toBe(fault.seq !== b.kvm.get(KVM.invalidateSeq));
  });

  it('refuses a prefetch of what is not present and writable', () => {
    const b = bench();
    const allowed = (page: number): boolean => b.run(prefetchAllowed(b.cpu, b.slot, b.slot.baseGfn + page));
    b.run(swapOut(b.kvm, b.cpu, b.slot, b.slot.baseGfn, b.slot.baseGfn + 1));
    b.run(mergePage(b.kvm, b.cpu, b.slot, b.slot.baseGfn + 1, true));
    b.run(mergePage(b.kvm, b.cpu, b.slot, b.slot.baseGfn + 2, true));
    b.run(makeWritable(b.kvm, b.cpu, b.slot, b.slot.baseGfn + 2));
    expect([0, 1, 2, 3].map(allowed)).toEqual([false, false, true, true]);
  });
});

describe('a fault whose page moves between lookup and lock', () => {
  const scene = (moved: (b: Bench, cpu: Cpu) => Generator<void, void, void>): (() => number) => {
    return () =>
      twice(() => {
        const b = bench();
        const { kvm, slot } = b;
        const fault: HostFault = {
          slot,
          gfn: slot.baseGfn,
          write: false,
          seq: -1,
          pfn: -1,
          hostWritable: false,
        };
        let stale = -1;
        const stage = new Stage(kvm.arena, [
          function* (cpu) {
            yield* faultinPfn({ kvm, cpu }, fault);
            yield* kvm.writeLock(cpu);
            stale = Number(isInvalidated(kvm, cpu, fault));
            yield* kvm.writeUnlock(cpu);
          },
          (cpu) => moved(b, cpu),
        ]);
        stage.runUntil(0, () => fault.pfn >= 0);
        stage.finish(1);
        stage.finish(0);
        return { stage, result: stale };
      });
  };

  it('is stale after the move has ended', () => {
    expect(scene((b, cpu) => migratePages(b.kvm, cpu, b.slot, b.slot.baseGfn, b.slot.baseGfn + 1))()).toBe(1);
  });

  it('is stale while the move runs, and only on pages of its range', () => {
    const start = (page: number) => (b: Bench, cpu: Cpu) =>
      invalidateRangeStart(
        b.kvm,
        cpu,
        hostRange(b.kvm, b.slot, b.slot.baseGfn + page, b.slot.baseGfn + page + 1),
      );
    expect([scene(start(0))(), scene(start(1))()]).toEqual([1, 0]);
  });

  it('is good if nothing moved', () => {
    expect(scene((b, cpu) => makeWritable(b.kvm, cpu, b.slot, b.slot.baseGfn))()).toBe(0);
  });
});

describe('the whole fault', () => {
  it('maps as large as the host does, and no larger', () => {
    const b = bench();
    b.run(migratePages(b.kvm, b.cpu, b.slot, b.slot.baseGfn, b.slot.baseGfn + 1));
    b.touch(b.slot.baseGfn + 1, 'write');
    expect([leaves(b.kvm, 2).length, leaves(b.kvm, 1).length > 0]).toEqual([0, true]);
    b.touch(b.slot.baseGfn + 4, 'write');
    expect(leaves(b.kvm, 2).length).toBe(1);
  });

  it('prefetches no page that the host has taken away', () => {
    const b = bench();
    b.run(swapOut(b.kvm, b.cpu, b.slot, b.slot.baseGfn + 1, b.slot.baseGfn + 2));
    b.touch(b.slot.baseGfn, 'write');
    expect(leaves(b.kvm, 1).map(({ index }) => index)).toEqual([0]);
    b.run(invalidateRangeStart(b.kvm, b.cpu, hostRange(b.kvm, b.slot, b.slot.baseGfn, b.slot.baseGfn + 1)));
    b.run(invalidateRangeEnd(b.kvm, b.cpu, hostRange(b.kvm, b.slot, b.slot.baseGfn, b.slot.baseGfn + 1)));
    expect(leaves(b.kvm, 1)).toEqual([]);
  });
});
