// kernel-facts 4.5, 5.2 to 5.4, A2, B-41, B-42: the page fault of L1.
import { describe, expect, it } from 'vitest';
import { loadRoot } from '../../../src/mmu/boot.ts';
import { P1_ENGINE } from '../../../src/mmu/default-engine.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import { RET_PF_EMULATE, RET_PF_FIXED, RET_PF_RETRY, RET_PF_SPURIOUS } from '../../../src/mmu/errno.ts';
import { isExecutable, isWritable, REMOVED_SPTE_LO, sptePfn } from '../../../src/mmu/format.ts';
import { guestFault } from '../../../src/mmu/guest-fault.ts';
import { translate, WALK_MMIO } from '../../../src/mmu/hardware.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEMSLOT_INVALID, MEMSLOT_GONE } from '../../../src/mmu/memslot.ts';
import { nxDisallowedPages } from '../../../src/mmu/nx-list.ts';
import { splitCaches, vcpuCaches } from '../../../src/mmu/memory-cache.ts';
import { sptepToSp } from '../../../src/mmu/shadow-page.ts';
import { tdpParentSptep } from '../../../src/mmu/tdp/pages.ts';
import { tdpInvalidateAllRoots, tdpRoots } from '../../../src/mmu/tdp/roots.ts';
import { tdpShrinkBySplit } from '../../../src/mmu/tdp/shrink.ts';
import { ROOT_L1 } from '../../../src/mmu/vcpu-words.ts';
import { Vcpu } from '../../../src/mmu/vcpu.ts';
import { RandomWalk } from '../../../src/explore/strategies/random-walk.ts';
import { ACCESS_BITS, touchPage } from '../../../src/scenario/start.ts';
import { Program, Stage, type Body } from '../../support/programs.ts';
import { TdpBench } from '../../support/tdp-machine.ts';
import type { Given } from '../../support/machines.ts';

class FaultBench extends TdpBench {
  constructor(given: Given = {}, engine?: Engine) {
    super(given, engine);
    this.run(loadRoot(this.vcpu(1), ROOT_L1));
  }

  /** The fault alone, on a page of the slot. */
  fault(page: number, access: keyof typeof ACCESS_BITS, present = false): number {
    return this.run(guestFault(this.vcpu(1), this.gfn(page), ACCESS_BITS[access], present));
  }

  /** The access with its faults. */
  l1(gfn: number, access: keyof typeof ACCESS_BITS): void {
    this.run(touchPage(this.vcpu(1), ROOT_L1, gfn, ACCESS_BITS[access]));
  }

  flags(flags: number): void {
    this.kvm.arena.put(this.slot.flagsWord, flags);
  }

  dirty(page: number): boolean {
    return (this.kvm.w[this.slot.layout.dirtyBitmap + (page >> 5)]! & (1 << (page & 31))) !== 0;
  }
}

describe('what a fault maps', () => {
  it.each([
    ['4k', '5:1wda'],
    ['2m', '4:2wda'],
    ['1g', '0:3wda'],
  ])('is as large as the host maps it: %s', (backing, leaf) => {
    const bench = new FaultBench({ backing });
    expect([bench.fault(5, 'read'), bench.shape]).toEqual([RET_PF_FIXED, [leaf]]);
    const { gfn, lo, hi } = bench.tdpLeaves()[0]!;
    expect(sptePfn(lo, hi)).toBe(bench.slot.pfn(bench.gfn(gfn)));
    expect([bench.seen.flushes, bench.kvm.get(KVM.rcuPending)]).toEqual([[], 0]);
  });

  it('is found by the hardware walk, and nothing is left to do the second time', () => {
    const bench = new FaultBench();
    bench.l1(bench.gfn(5), 'write');
    expect(bench.run(translate(bench.vcpu(1), bench.gfn(6), ACCESS_BITS.read))).toBe(
      bench.slot.pfn(bench.gfn(6)),
    );
    expect(bench.fault(5, 'write')).toBe(RET_PF_SPURIOUS);
  });

  it('is a 4K page in a logged slot, marked before it is writable', () => {
    const bench = new FaultBench();
    bench.flags(KVM_MEM_LOG_DIRTY_PAGES);
    expect([bench.fault(5, 'write'), bench.shape, bench.dirty(5), bench.dirty(4)]).toEqual([
      RET_PF_FIXED,
      ['5:1wda'],
      true,
      false,
    ]);
  });

  it('is a 4K page if the mitigation forbids to execute a larger one; its tables are on the list (Q32, Q33)', () => {
    const bench = new FaultBench({ nx: true });
    bench.fault(5, 'exec');
    const { lo, hi } = bench.tdpLeaves()[0]!;
    expect([bench.shape, isExecutable(bench.kvm.format, lo, hi)]).toEqual([['5:1wda'], true]);
    expect([nxDisallowedPages(bench.kvm).length, bench.kvm.get(KVM.nxCount)]).toEqual([2, 2]);
    // Reads of the same ranges stay below these tables.
    bench.fault(4, 'read');
    bench.fault(0, 'read');
    expect(bench.shape).toEqual(['0:2wda', '4:1wda', '5:1wda']);
  });

  it('is nothing executable above 4K, so that a fetch shrinks what a read has mapped', () => {
    const bench = new FaultBench({ nx: true });
    bench.fault(5, 'read');
    const { lo, hi } = bench.tdpLeaves()[0]!;
    expect(isExecutable(bench.kvm.format, lo, hi)).toBe(false);
    bench.l1(bench.gfn(5), 'exec');
    expect(bench.shape).toEqual(['5:1wda']);
  });
});

describe('a huge page in the way of a smaller one', () => {
  const shrunk = (engine?: Engine): FaultBench => {
    const bench = new FaultBench({ backing: '2m' }, engine);
    bench.fault(4, 'write');
    bench.locked(
      (function* () {
        const [leaf] = bench.tdpLeaves();
        bench.kvm.arena.put(leaf!.sptep * 2, leaf!.lo & ~2);
      })(),
    );
    bench.flags(KVM_MEM_LOG_DIRTY_PAGES);
    expect(bench.fault(5, 'write', true)).toBe(RET_PF_FIXED);
    return bench;
  };

  it('is zapped behind a flush (6.1)', () => {
    const bench = shrunk();
    expect([bench.shape, bench.seen.flushes.map(({ reason, pages }) => [reason, pages])]).toEqual([
      ['5:1wda'],
      [['tdp', 4]],
    ]);
  });

  it('is split in place, without a flush, since 6.2 (c4b33d28ea51)', () => {
    const bench = shrunk({ ...P1_ENGINE, tdpShrinkHuge: tdpShrinkBySplit });
    expect([bench.shape, bench.seen.flushes]).toEqual([['4:1-da', '5:1wda', '6:1-da', '7:1-da'], []]);
    expect([0, 1].map((level) => bench.kvm.get(KVM.tdpLeaves + level))).toEqual([4, 0]);
  });

  it('and a table in the way of a huge page goes with a flush behind it', () => {
    const bench = new FaultBench({ backing: '2m' });
    bench.map(4, 1);
    bench.map(5, 1);
    expect([bench.fault(6, 'read'), bench.shape]).toEqual([RET_PF_FIXED, ['4:2wda']]);
    expect(bench.seen.flushes).toEqual([{ reason: 'tdp', gfn: bench.gfn(4), pages: 4 }]);
    expect([bench.kvm.get(KVM.rcuPending), bench.kvm.get(KVM.tdpPages)]).toEqual([0, 1]);
  });
});

describe('a fault that may not map', () => {
  it('is tried again if an invalidation has been or is in progress, or the root is invalid (D17, B-38)', () => {
    const inProgress = new FaultBench();
    inProgress.kvm.put(KVM.invalidateInProgress, 1);
    inProgress.kvm.put(KVM.invalidateStart, 0);
    inProgress.kvm.put(KVM.invalidateEnd, 1 << 20);
    const obsolete = new FaultBench();
    obsolete.locked(tdpInvalidateAllRoots(obsolete.kvm, obsolete.cpu));
    for (const bench of [inProgress, obsolete]) {
      expect([bench.fault(5, 'write'), bench.tdpLeaves()]).toEqual([RET_PF_RETRY, []]);
    }
  });

  it('is tried again while the entry it needs is frozen (B-41)', () => {
    const bench = new FaultBench({ backing: '2m' });
    bench.map(12, 1);
    const { kvm } = bench;
    const parent = tdpParentSptep(kvm, sptepToSp(kvm, bench.tdpLeaves()[0]!.sptep));
    bench.flags(KVM_MEM_LOG_DIRTY_PAGES);
    // The entry beside it that should lead to page 8.
    kvm.arena.put((parent - 1) * 2, REMOVED_SPTE_LO);
    expect([bench.fault(8, 'write'), bench.shape]).toEqual([RET_PF_RETRY, ['12:1wda']]);
    expect(kvm.w[(parent - 1) * 2]).toBe(REMOVED_SPTE_LO);
  });

  it('is emulated where there is no slot, and leaves an MMIO SPTE behind', () => {
    const bench = new FaultBench();
    bench.flags(MEMSLOT_GONE);
    expect([bench.fault(5, 'write'), bench.tdpLeaves()]).toEqual([RET_PF_EMULATE, []]);
    expect(bench.run(translate(bench.vcpu(1), bench.gfn(5), ACCESS_BITS.read))).toBe(WALK_MMIO);
    expect(bench.counter('mmioSptes')).toBe(1);
  });

  it('waits for a slot that is going away', () => {
    const bench = new FaultBench();
    const { kvm } = bench;
    bench.flags(KVM_MEMSLOT_INVALID);
    let result = 0;
    const stage = new Stage(kvm.arena, [
      function* (cpu) {
        result = yield* guestFault(new Vcpu(kvm, cpu, 1), bench.gfn(5), ACCESS_BITS.write, false);
      },
    ]);
    stage.runUntilBlocked(0);
    expect(stage.cpus[0]!.pendingWord).toBe(bench.slot.flagsWord);
    bench.flags(MEMSLOT_GONE);
    stage.finish(0);
    expect([result, bench.tdpLeaves()]).toEqual([RET_PF_RETRY, []]);
  });
});

describe("L1's own tables", () => {
  it('above level 1 stay read-only: a write is emulated and logged, a read is mapped without W (Q41)', () => {
    const bench = new FaultBench();
    const { tableGfn } = bench.kvm.config;
    const memory = bench.kvm.layout.memory + bench.kvm.slots[0]!.pfn(tableGfn);
    const before = bench.kvm.w[memory]!;
    bench.l1(tableGfn, 'read');
    const leaf = (): { lo: number } => {
      const vcpu = bench.vcpu(1);
      expect(bench.run(translate(vcpu, tableGfn, ACCESS_BITS.read))).toBeGreaterThan(0);
      return { lo: bench.cpu.lo };
    };
    expect(isWritable(leaf().lo)).toBe(false);
    bench.l1(tableGfn, 'write');
    expect([bench.kvm.w[memory]! - before, bench.seen.faults.at(-1)?.result]).toEqual([1, RET_PF_FIXED]);
  });
});

describe('two faults at once', () => {
  /** Tables in nobody's hands. */
  function lostTables({ kvm }: FaultBench): number {
    const caches = Array.from({ length: kvm.config.vcpus }, (_, vcpu) => kvm.w[vcpuCaches(kvm, vcpu).table]!);
    const cached = caches.reduce((sum, count) => sum + count, kvm.w[splitCaches(kvm, 0).table]!);
    const used = kvm.get(KVM.nUsed) + kvm.get(KVM.tdpPages) + tdpRoots(kvm).length + kvm.get(KVM.rcuPending);
    return kvm.tablePool.live - cached - used;
  }

  /** Both write to pages of one 2M page of a logged slot, so that they want the same tables. */
  function play(schedule: number, pages: readonly [number, number], engine?: Engine): unknown {
    const bench = new FaultBench({ backing: '2m', vcpus: 1, l1Vcpus: 2 }, engine);
    bench.flags(KVM_MEM_LOG_DIRTY_PAGES);
    const { kvm } = bench;
    bench.run(loadRoot(bench.vcpu(2), ROOT_L1));
    const body = (index: number, page: number): Body =>
      function* (cpu) {
        const vcpu = new Vcpu(kvm, cpu, index);
        for (let tries = 0; tries < 20; tries++) {
          const result = yield* guestFault(vcpu, bench.gfn(page), ACCESS_BITS.write, false);
          if (result !== RET_PF_RETRY) return;
        }
        throw new Error('never mapped');
      };
    const program = new Program(kvm.arena, [body(1, pages[0]), body(2, pages[1])]);
    const first = program.run(new RandomWalk(3), schedule);
    expect(program.run(new RandomWalk(3), schedule)).toEqual(first);
    return {
      shape: bench.shape,
      tables: kvm.get(KVM.tdpPages),
      leaves: kvm.get(KVM.tdpLeaves),
      lost: lostTables(bench),
    };
  }

  it.each([
    [5, 6, ['5:1wda', '6:1wda']],
    [5, 5, ['5:1wda']],
  ])('make one table of each level and lose none (pages %i and %i)', (one, other, shape) => {
    for (let schedule = 0; schedule < 60; schedule++) {
      expect(play(schedule, [one, other])).toEqual({ shape, tables: 2, leaves: shape.length, lost: 0 });
    }
  });

  it('map a huge page of a logged slot if it does not matter how far they came (B-41)', () => {
    const engine = { ...P1_ENGINE, tdpGoalReached: () => true };
    const shapes = Array.from({ length: 60 }, (_, schedule) => {
      const { shape } = play(schedule, [5, 6], engine) as { shape: string[] };
      return shape.join();
    });
    expect(shapes.some((shape) => /:[23]w/.test(shape))).toBe(true);
  });
});
