// kernel-facts 4.5, A19, B-30, Q39, Q40: the roots of the TDP MMU.
import { describe, expect, it } from 'vitest';
import { P1_ENGINE } from '../../../src/mmu/default-engine.ts';
import { loadRoot } from '../../../src/mmu/boot.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { roleInvalid } from '../../../src/mmu/role.ts';
import { freeObsoleteRoots, unloadMmu } from '../../../src/mmu/roots.ts';
import { spRole, spRootCount } from '../../../src/mmu/shadow-page.ts';
import { rcuDrain, rcuQueuedPages } from '../../../src/mmu/tdp/rcu.ts';
import {
  tdpInvalidateAllRoots,
  tdpMmuNextRoot,
  tdpMmuPutRoot,
  tdpRoots,
  tdpRunZapWork,
  tdpZapInvalidatedRoots,
  zapWorkLeft,
} from '../../../src/mmu/tdp/roots.ts';
import { tdpMmuZapLeafsOfRoot, tdpUnmapGfnRange } from '../../../src/mmu/tdp/zap.ts';
import { ROOT_L1, VCPU } from '../../../src/mmu/vcpu-words.ts';
import { TdpBench, tdpLeavesBelow } from '../../support/tdp-machine.ts';

const twoVcpus = (engine?: Engine): TdpBench => new TdpBench({ l1Vcpus: 2 }, engine);
/** Before edbdb43fc96b the TDP MMU held no reference of its own. */
const MORTAL: Engine = { ...P1_ENGINE, tdpRootsPersist: false };
const rootOf = (bench: TdpBench, vcpu: number): number =>
  bench.kvm.w[bench.vcpu(vcpu).word(VCPU.roots + ROOT_L1)]!;
const leavesOf = ({ kvm }: TdpBench, root: number): number =>
  tdpLeavesBelow(kvm, root, kvm.config.tdpRootLevel, 0).length;

describe('a root', () => {
  it('is shared by the vCPUs that run L1, which hold a reference each, as does the TDP MMU', () => {
    const bench = twoVcpus();
    expect(tdpRoots(bench.kvm)).toEqual([bench.root]);
    expect([rootOf(bench, 0), rootOf(bench, 1), rootOf(bench, 2)]).toEqual([0, bench.root, bench.root]);
    expect(spRootCount(bench.kvm, bench.root)).toBe(3);
    expect(spRootCount(twoVcpus(MORTAL).kvm, bench.root)).toBe(2);
  });

  it('outlives its vCPUs with all it maps, and is what they load again', () => {
    const bench = twoVcpus();
    const { kvm, root } = bench;
    bench.map(0, 1);
    for (const vcpu of [1, 2]) bench.run(unloadMmu(bench.vcpu(vcpu)));
    expect([spRootCount(kvm, root), bench.tdpLeaves().length, tdpRoots(kvm)]).toEqual([1, 1, [root]]);
    bench.run(loadRoot(bench.vcpu(1), ROOT_L1));
    expect([rootOf(bench, 1), spRootCount(kvm, root)]).toEqual([root, 2]);
  });

  it('goes with its last reference where the TDP MMU has none: zapped, off the list, freed', () => {
    const bench = twoVcpus(MORTAL);
    const { kvm, cpu } = bench;
    bench.map(0, 1);
    bench.run(unloadMmu(bench.vcpu(1)));
    expect([spRootCount(kvm, bench.root), bench.tdpLeaves().length, tdpRoots(kvm)]).toEqual([
      1,
      1,
      [bench.root],
    ]);
    const tables = kvm.tablePool.live;
    bench.run(unloadMmu(bench.vcpu(2)));
    bench.run(rcuDrain(kvm, cpu));
    expect([tdpRoots(kvm), kvm.get(KVM.tdpPages), kvm.get(KVM.pages), rcuQueuedPages(kvm)]).toEqual([
      [],
      0,
      0,
      [],
    ]);
    expect(kvm.tablePool.live).toBe(tables - 3);
  });

  it('is made anew by the next vCPU that loads one, which flushes', () => {
    const bench = twoVcpus(MORTAL);
    bench.run(unloadMmu(bench.vcpu(1)));
    bench.run(unloadMmu(bench.vcpu(2)));
    const flushes = bench.counter('tlbFlushes');
    bench.run(loadRoot(bench.vcpu(1), ROOT_L1));
    bench.run(loadRoot(bench.vcpu(2), ROOT_L1));
    expect(tdpRoots(bench.kvm)).toEqual([rootOf(bench, 1)]);
    expect([rootOf(bench, 2), spRootCount(bench.kvm, rootOf(bench, 1))]).toEqual([rootOf(bench, 1), 2]);
    expect(bench.counter('tlbFlushes') - flushes).toBe(2);
  });

  it('that loses a reference it does not have is reported (Q39)', () => {
    const bench = twoVcpus(MORTAL);
    const put = (): void => bench.locked(tdpMmuPutRoot(bench.kvm, bench.cpu, bench.root));
    put();
    put();
    // The reference of the work item that is to zap it.
    put();
    expect(put).toThrow(/lost a reference it did not have/);
  });
});

describe('an iteration over roots', () => {
  it('holds a reference to where it stands, and gives it back', () => {
    const bench = twoVcpus();
    const { kvm, cpu } = bench;
    const next = (prev: number): number => bench.shared(tdpMmuNextRoot(kvm, cpu, prev, true));
    expect([next(0), spRootCount(kvm, bench.root)]).toEqual([bench.root, 4]);
    expect([next(bench.root), spRootCount(kvm, bench.root)]).toEqual([0, 3]);
  });

  it('is what the root goes with if all vCPUs have let go in the meantime', () => {
    const bench = twoVcpus(MORTAL);
    const { kvm, cpu } = bench;
    bench.shared(tdpMmuNextRoot(kvm, cpu, 0, true));
    bench.run(unloadMmu(bench.vcpu(1)));
    bench.run(unloadMmu(bench.vcpu(2)));
    expect(tdpRoots(kvm)).toEqual([bench.root]);
    expect(bench.shared(tdpMmuNextRoot(kvm, cpu, bench.root, true))).toBe(0);
    expect(tdpRoots(kvm)).toEqual([bench.root]);
    bench.run(tdpRunZapWork(kvm, cpu));
    expect(tdpRoots(kvm)).toEqual([]);
  });

  it('never gives mmu_lock up when it puts the last reference: the walk may owe a flush (D20)', () => {
    const bench = new TdpBench({ l1Vcpus: 1, reschedRate: 1 }, MORTAL);
    const { kvm, cpu, root } = bench;
    bench.map(0, 1);
    bench.map(4, 2);
    bench.shared(tdpMmuNextRoot(kvm, cpu, 0, false));
    bench.run(unloadMmu(bench.vcpu(1)));
    const releases = cpu.mmuReleases;
    bench.run(kvm.writeLock(cpu));
    const owed = bench.run(tdpMmuZapLeafsOfRoot(kvm, cpu, root, bench.gfn(0), bench.gfn(8), false, false));
    expect(bench.run(tdpMmuNextRoot(kvm, cpu, root, false))).toBe(0);
    expect([owed, cpu.mmuReleases - releases]).toEqual([true, 0]);
    bench.run(kvm.writeUnlock(cpu));
    expect([leavesOf(bench, root), zapWorkLeft(kvm.get(KVM.tdpZapWork))]).toEqual([0, 1]);
  });
});

describe('roots that are invalidated (A19)', () => {
  function invalidated(engine?: Engine): TdpBench {
    const bench = twoVcpus(engine);
    bench.map(0, 1);
    bench.map(4, 2);
    bench.locked(tdpInvalidateAllRoots(bench.kvm, bench.cpu));
    return bench;
  }

  it('stay with their vCPUs, but nobody takes them into use any more', () => {
    const bench = invalidated();
    const { kvm, cpu, root } = bench;
    expect([roleInvalid(spRole(kvm, root)), spRootCount(kvm, root)]).toEqual([true, 3]);
    expect(bench.shared(tdpMmuNextRoot(kvm, cpu, 0, true))).toBe(0);
    bench.run(freeObsoleteRoots(bench.vcpu(1)));
    bench.run(loadRoot(bench.vcpu(1), ROOT_L1));
    expect(tdpRoots(kvm)).toEqual([rootOf(bench, 1), root]);
  });

  it('are zapped at once, and freed when the last vCPU has let go', () => {
    const bench = invalidated();
    const { kvm, root } = bench;
    bench.run(tdpZapInvalidatedRoots(kvm, bench.cpu));
    expect([leavesOf(bench, root), spRootCount(kvm, root), kvm.get(KVM.tdpPages)]).toEqual([0, 2, 0]);
    bench.run(freeObsoleteRoots(bench.vcpu(1)));
    expect(tdpRoots(kvm)).toEqual([root]);
    bench.run(freeObsoleteRoots(bench.vcpu(2)));
    bench.run(rcuDrain(kvm, bench.cpu));
    expect([tdpRoots(kvm), rcuQueuedPages(kvm)]).toEqual([[], []]);
  });

  it('are invalidated once, and zapped once', () => {
    const bench = invalidated();
    const { kvm, cpu, root } = bench;
    bench.locked(tdpInvalidateAllRoots(kvm, cpu));
    expect(spRootCount(kvm, root)).toBe(3);
    bench.run(tdpZapInvalidatedRoots(kvm, cpu));
    bench.run(tdpZapInvalidatedRoots(kvm, cpu));
    expect(spRootCount(kvm, root)).toBe(2);
  });

  const unmap = (engine?: Engine): unknown[] => {
    const bench = invalidated(engine);
    const { kvm, cpu, root } = bench;
    const owed = bench.locked(tdpUnmapGfnRange(kvm, cpu, bench.gfn(0), bench.gfn(5), false));
    return [owed, leavesOf(bench, root)];
  };

  it('are unmapped by a notifier all the same, whole huge pages included (B-30)', () => {
    expect(unmap()).toEqual([true, 0]);
  });

  it('keep a page mapped that the host takes away if they are left out (B-30)', () => {
    expect(unmap({ ...P1_ENGINE, tdpUnmapsInvalidRoots: false })).toEqual([false, 2]);
  });
});
