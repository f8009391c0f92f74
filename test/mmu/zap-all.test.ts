// kernel-facts A19, A22 to A25, A28, B-48: zapping everything, and who else takes pages away.
import { describe, expect, it } from 'vitest';
import { ALL_STATE_CHECKS } from '../../src/check/all.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { enableDirtyLogging } from '../../src/mmu/dirty-log.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { KVM, type Kvm } from '../../src/mmu/kvm.ts';
import { mutexLock, mutexUnlock } from '../../src/locks/mutex.ts';
import { obsoleteList, zapIntoList } from '../../src/mmu/obsolete.ts';
import { mmuShrinkScan, setNrMmuPages } from '../../src/mmu/reclaim.ts';
import { unloadMmu } from '../../src/mmu/roots.ts';
import { roleInvalid, roleLevel } from '../../src/mmu/role.ts';
import { zapPages } from '../../src/mmu/shadow/zap.ts';
import { isObsolete, SP, spPut, spRole, spRootCount } from '../../src/mmu/shadow-page.ts';
import { REQ_FREE_OBSOLETE_ROOTS, VCPU } from '../../src/mmu/vcpu-words.ts';
import { zapAll, zapAllFast, zapGfnRange } from '../../src/mmu/zap-all.ts';
import { activePages, Bench, identity, leaves, machineOf, type Given } from '../support/machines.ts';
import { findings } from '../support/q-machine.ts';
import { castMachine } from '../support/vm-wide.ts';

const split = (given: Given = {}, engine: Partial<Engine> = {}): Bench => {
  const bench = new Bench(machineOf(identity(2), { backing: '2m', memory: '128K', ...given }), {
    ...P1_ENGINE,
    ...engine,
  });
  bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
  return bench;
};

function allFast(bench: Bench): void {
  const { kvm, cpu } = bench;
  bench.run(mutexLock(cpu, kvm.slotsLock));
  bench.run(zapAllFast(kvm, cpu));
  bench.run(mutexUnlock(cpu, kvm.slotsLock));
}

const loaded = (kvm: Kvm): number[] =>
  Array.from({ length: kvm.config.vcpus }, (_, vcpu) => kvm.w[kvm.vcpuWord(vcpu) + VCPU.roots]!);

describe('kvm_mmu_zap_all_fast', () => {
  it('leaves only roots behind, invalid, and asks their vCPUs to let go of them', () => {
    const bench = split({ vcpus: 2 });
    const { kvm } = bench;
    const root = bench.vcpu().rootSp;
    bench.seen.flushes.length = 0;
    allFast(bench);
    expect([
      activePages(kvm),
      kvm.get(KVM.nUsed),
      kvm.get(KVM.obsoletePages),
      kvm.get(KVM.invalidRoots),
    ]).toEqual([[], 1, 0, 1]);
    expect(roleInvalid(spRole(kvm, root))).toBe(true);
    for (const vcpu of [0, 1])
      expect(kvm.w[kvm.vcpuWord(vcpu) + VCPU.requests]! & REQ_FREE_OBSOLETE_ROOTS).not.toBe(0);
    expect(bench.seen.flushes.map(({ reason }) => reason)).toEqual(['zap']);
    expect(findings(kvm, ALL_STATE_CHECKS)).toEqual([]);
    expect(bench.touch(bench.slot.baseGfn, 'write')).toBe(true);
    expect(bench.touch(bench.slot.baseGfn, 'write', 0, 1)).toBe(true);
    expect([loaded(kvm).includes(root), kvm.get(KVM.invalidRoots)]).toEqual([false, 0]);
    expect(findings(kvm, ALL_STATE_CHECKS)).toEqual([]);
  });

  it('toggles the generation, under which nothing of before is found', () => {
    const bench = split();
    const { kvm } = bench;
    const before = kvm.get(KVM.validGen);
    const [page] = activePages(kvm);
    kvm.put(KVM.validGen, 1 - before);
    expect(isObsolete(kvm, page!)).toBe(true);
    kvm.put(KVM.validGen, before);
    allFast(bench);
    expect(kvm.get(KVM.validGen)).toBe(1 - before);
    allFast(bench);
    expect(kvm.get(KVM.validGen)).toBe(before);
  });

  it('may drop the lock once ten pages are zapped', () => {
    // Two trees, of which each goes as a whole with its root.
    const bench = new Bench(castMachine([], { backing: '4k', memory: '256K', reschedRate: 1 }));
    const drops = bench.cpu.mmuReleases;
    expect(activePages(bench.kvm).length).toBeGreaterThan(20);
    allFast(bench);
    expect(bench.cpu.mmuReleases - drops).toBe(2);
  });

  it('needs slots_lock', () => {
    const bench = split();
    bench.run(zapAllFast(bench.kvm, bench.cpu));
    expect(bench.seen.broke.map(({ id }) => id)).toEqual(['D1']);
  });
});

describe('kvm_mmu_zap_all', () => {
  it('gives everything back once the vCPUs have unloaded', () => {
    const bench = split({ vcpus: 2, reschedRate: 0.5 });
    const { kvm, cpu } = bench;
    bench.run(zapAll(kvm, cpu));
    expect([activePages(kvm), leaves(kvm, 1), kvm.get(KVM.nUsed)]).toEqual([[], [], 1]);
    for (const vcpu of [0, 1]) bench.run(unloadMmu(bench.vcpu(vcpu)));
    expect([kvm.get(KVM.nUsed), kvm.get(KVM.invalidRoots), kvm.get(KVM.indirectShadowPages)]).toEqual([
      0, 0, 0,
    ]);
    expect(findings(kvm, ALL_STATE_CHECKS)).toEqual([]);
  });
});

describe('kvm_mmu_unload', () => {
  it('keeps a valid root for who loads it next', () => {
    const bench = split({ vcpus: 1 });
    const { kvm } = bench;
    const root = bench.vcpu().rootSp;
    bench.run(unloadMmu(bench.vcpu()));
    expect([bench.vcpu().rootSp, spRootCount(kvm, root), activePages(kvm).includes(root)]).toEqual([
      0,
      0,
      true,
    ]);
    expect(findings(kvm, ALL_STATE_CHECKS)).toEqual([]);
    bench.touch(bench.slot.baseGfn, 'read');
    expect(bench.vcpu().rootSp).toBe(root);
  });
});

describe('kvm_zap_gfn_range', () => {
  it('unmaps the range at all levels with one flush, and counts as an invalidation', () => {
    const bench = new Bench(machineOf(identity(2), { backing: '2m', memory: '64K' }));
    const { kvm, cpu, slot } = bench;
    bench.seen.flushes.length = 0;
    const seq = kvm.get(KVM.invalidateSeq);
    bench.run(zapGfnRange(kvm, cpu, slot.baseGfn + kvm.entries, slot.baseGfn + 2 * kvm.entries));
    expect(leaves(kvm, 2).map(({ index }) => index)).toEqual([0, 2, 3]);
    expect(bench.seen.flushes).toEqual([
      { reason: 'memslot', gfn: slot.baseGfn + kvm.entries, pages: kvm.entries },
    ]);
    expect([kvm.get(KVM.invalidateSeq) - seq, kvm.get(KVM.invalidateInProgress)]).toEqual([1, 0]);
  });

  it('does not flush if nothing was mapped', () => {
    const bench = new Bench(machineOf(identity(2, []), { backing: '2m' }));
    bench.run(zapGfnRange(bench.kvm, bench.cpu, bench.slot.baseGfn, bench.slot.baseGfn + 4));
    expect(bench.seen.flushes).toEqual([]);
  });
});

describe('the shrinker', () => {
  it('frees what zap_obsolete_pages has put aside before it zaps anything', () => {
    const bench = split();
    const { kvm, cpu } = bench;
    bench.run(kvm.writeLock(cpu));
    const victim = activePages(kvm).find((sp) => roleLevel(spRole(kvm, sp)) === 1)!;
    bench.run(zapIntoList(kvm, cpu, victim));
    bench.run(kvm.writeUnlock(cpu));
    expect([obsoleteList(kvm), kvm.get(KVM.obsoletePages)]).toEqual([[victim], 1]);
    expect(findings(kvm, ALL_STATE_CHECKS)).toEqual([]);
    const pages = activePages(kvm).length;
    expect(bench.run(mmuShrinkScan(kvm, cpu, 8))).toBe(1);
    expect([kvm.get(KVM.obsoletePages), activePages(kvm).length]).toEqual([0, pages]);
    expect(bench.run(mmuShrinkScan(kvm, cpu, 2))).toBeGreaterThanOrEqual(2);
    expect(findings(kvm, ALL_STATE_CHECKS)).toEqual([]);
  });
});

describe('KVM_SET_NR_MMU_PAGES', () => {
  it('zaps down to the limit, but not below the roots', () => {
    const bench = split();
    const { kvm, cpu } = bench;
    const used = kvm.get(KVM.nUsed);
    expect(bench.run(setNrMmuPages(kvm, cpu, used + 3))).toBe(used + 3);
    expect(kvm.get(KVM.nUsed)).toBe(used);
    expect(bench.run(setNrMmuPages(kvm, cpu, 4))).toBe(4);
    expect(kvm.get(KVM.nUsed)).toBeLessThanOrEqual(4);
    expect(bench.run(setNrMmuPages(kvm, cpu, 0))).toBe(1);
    expect(kvm.get(KVM.nMax)).toBe(1);
    expect(findings(kvm, ALL_STATE_CHECKS)).toEqual([]);
  });
});

describe('a nested page that is a root too (B-48)', () => {
  const zapParent = (engine: Partial<Engine>): boolean => {
    const bench = split({}, engine);
    const { kvm, cpu } = bench;
    const child = activePages(kvm).find((sp) => roleLevel(spRole(kvm, sp)) === 2)!;
    spPut(kvm, child, SP.rootCount, 1);
    bench.run(kvm.writeLock(cpu));
    bench.run(zapPages(kvm, cpu, [bench.vcpu().rootSp]));
    return roleInvalid(spRole(kvm, child));
  };

  it('outlives its last parent', () => {
    expect(zapParent({})).toBe(false);
  });

  it('would be zapped under its vCPU otherwise', () => {
    expect(zapParent({ zapsOrphan: () => true })).toBe(true);
  });
});
