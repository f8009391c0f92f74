// Zapping, reclaim and recycling (kernel-facts 2.2, A21, 1.3, H-A).
import { describe, expect, it } from 'vitest';
import { HELD_MMU_WRITE } from '../../../src/cpu/cpu.ts';
import { enableDirtyLogging } from '../../../src/mmu/dirty-log.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { pteListEntries } from '../../../src/mmu/pte-list.ts';
import { roleInvalid, roleLevel } from '../../../src/mmu/role.ts';
import { makeMmuPagesAvailable } from '../../../src/mmu/shadow/fault.ts';
import { freeObsoleteRoots } from '../../../src/mmu/roots.ts';
import { zapOldest, zapPages } from '../../../src/mmu/shadow/zap.ts';
import { spRole, spRootCount } from '../../../src/mmu/shadow-page.ts';
import { REQ_FREE_OBSOLETE_ROOTS, VCPU } from '../../../src/mmu/vcpu-words.ts';
import { activePages, aliases, Bench, identity, leaves, machineOf, rootOf } from '../../support/machines.ts';
import { Q_CHECKS, findings } from '../../support/q-machine.ts';

const locked = (bench: Bench): Bench => {
  bench.run(bench.kvm.writeLock(bench.cpu));
  return bench;
};
const split = (memory = '64K'): Bench => {
  const bench = new Bench(machineOf(identity(2), { backing: '2m', memory, rootLevel: 4 }));
  bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
  return bench;
};

describe('zap_oldest', () => {
  it('takes pages from the tail, never a root, and frees them after one flush', () => {
    const bench = locked(split());
    const { kvm, cpu, seen } = bench;
    const pages = activePages(kvm);
    const used = kvm.get(KVM.nUsed);
    const live = [kvm.headerPool.live, kvm.tablePool.live];
    seen.flushes.length = 0;
    expect(spRootCount(kvm, pages.at(-1)!)).toBeGreaterThan(0);
    const zapped = bench.run(zapOldest(kvm, cpu, 1));
    expect(seen.zapped[0]).toBe(pages.at(-2));
    expect(activePages(kvm)).toEqual(pages.filter((sp) => !seen.zapped.includes(sp)));
    expect([
      used - kvm.get(KVM.nUsed),
      live[0]! - kvm.headerPool.live,
      live[1]! - kvm.tablePool.live,
    ]).toEqual([zapped, zapped, zapped]);
    expect(seen.flushes.map(({ reason }) => reason)).toEqual(['zap']);
  });

  it('takes nested children along with their last parent, and leaves consistent structures', () => {
    const bench = locked(split());
    const { kvm, cpu } = bench;
    bench.run(zapOldest(kvm, cpu, 1000));
    expect(activePages(kvm).map((sp) => roleLevel(spRole(kvm, sp)))).toEqual([4]);
    expect([
      leaves(kvm, 1).length,
      kvm.get(KVM.pages),
      kvm.get(KVM.nUsed),
      kvm.get(KVM.indirectShadowPages),
    ]).toEqual([0, 0, 1, 1]);
    bench.run(kvm.writeUnlock(cpu));
    expect(findings(kvm, Q_CHECKS)).toEqual([]);
    expect(bench.touch(bench.slot.baseGfn, 'write')).toBe(true);
  });
});

describe('make_mmu_pages_available', () => {
  it.each([
    [5, false],
    [4, true],
  ])('with %i pages left reclaims: %s', (available, reclaims) => {
    const bench = locked(split('128K'));
    const { kvm } = bench;
    kvm.put(KVM.nMax, kvm.get(KVM.nUsed) + available);
    expect(bench.run(makeMmuPagesAvailable(bench.vcpu()))).toBe(0);
    expect(bench.seen.zapped.length > 0).toBe(reclaims);
    // Up to KVM_REFILL_PAGES, as far as there are pages that are no roots.
    const wanted = reclaims ? Math.min(25, kvm.get(KVM.nMax) - 1) : available;
    expect(kvm.get(KVM.nMax) - kvm.get(KVM.nUsed)).toBeGreaterThanOrEqual(wanted);
  });

  it('reports -ENOSPC when nothing but roots is left', () => {
    const bench = locked(new Bench(machineOf(identity(2, []))));
    bench.kvm.put(KVM.nMax, bench.kvm.get(KVM.nUsed));
    expect(bench.run(makeMmuPagesAvailable(bench.vcpu()))).toBe(-28);
  });
});

describe('zapping a root', () => {
  it('keeps it, invalid, until the vCPUs have let go of it', () => {
    const bench = locked(new Bench(machineOf(identity(2), { backing: '2m', vcpus: 2 })));
    const { kvm, cpu } = bench;
    const root = kvm.get(KVM.activeTail);
    const live = kvm.headerPool.live;
    const used = kvm.get(KVM.nUsed);
    bench.run(zapPages(kvm, cpu, [root]));
    expect([
      roleInvalid(spRole(kvm, root)),
      activePages(kvm).includes(root),
      kvm.get(KVM.invalidRoots),
    ]).toEqual([true, false, 1]);
    for (const vcpu of [0, 1])
      expect(kvm.w[kvm.vcpuWord(vcpu) + VCPU.requests]! & REQ_FREE_OBSOLETE_ROOTS).not.toBe(0);
    bench.run(kvm.writeUnlock(cpu));
    bench.run(freeObsoleteRoots(bench.vcpu(0)));
    expect([spRootCount(kvm, root), kvm.get(KVM.invalidRoots), bench.vcpu(0).rootSp]).toEqual([1, 1, 0]);
    bench.run(freeObsoleteRoots(bench.vcpu(1)));
    expect([kvm.get(KVM.invalidRoots), kvm.get(KVM.nUsed), live - kvm.headerPool.live]).toEqual([0, 0, used]);
    expect(bench.touch(bench.slot.baseGfn, 'write')).toBe(true);
  });
});

describe('recycling', () => {
  /** Three 2M aliases of different access, and a 4K one of the first page. */
  const four = (recycleThreshold: number): Bench =>
    new Bench(
      machineOf(
        rootOf(({ base, huge2, huge3 }) => [
          ...(['rwx', 'rx', 'rw'] as const).map((perm, i) => ({
            l2Gfn: i * huge2,
            l1Gfn: base,
            level: 2 as const,
            count: 1,
            perm,
          })),
          { l2Gfn: huge3, l1Gfn: base, level: 1, count: 1 },
        ]),
        { backing: '2m', memory: '16K', recycleThreshold },
      ),
    );
  const heads = ({ kvm, slot }: Bench): number[] =>
    [0, 1, 2, 3].map((page) => pteListEntries(kvm, slot.rmapWord(slot.baseGfn + page, 1)).length);

  it('empties a head of the split that had more than the threshold, flushes, and leaves a hole in the new child', () => {
    const bench = four(2);
    const { kvm, slot } = bench;
    expect([heads(bench), pteListEntries(kvm, slot.rmapWord(slot.baseGfn, 2)).length]).toEqual([
      [1, 0, 0, 0],
      3,
    ]);
    bench.run(enableDirtyLogging(kvm, bench.cpu, slot));
    // The third child finds three entries for page 0: all four go, its own included; the other pages have three.
    expect([bench.counter('recycled'), bench.counter('splitOk'), heads(bench)]).toEqual([1, 3, [0, 3, 3, 3]]);
    expect(bench.seen.flushes[0]).toEqual({ reason: 'recycle', gfn: slot.baseGfn, pages: 1 });
    expect([leaves(kvm, 1).length, kvm.get(KVM.pages)]).toEqual([9, 9]);
    expect(bench.seen.broke).toEqual([]);
  });

  it('does not happen at the threshold itself', () => {
    const bench = four(3);
    bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
    expect([bench.counter('recycled'), heads(bench)]).toEqual([0, [4, 3, 3, 3]]);
  });

  it('happens in faults too: the access that tripped it faults once more', () => {
    const bench = new Bench(machineOf(aliases(4), { backing: '2m', memory: '16K', recycleThreshold: 1 }));
    // The third alias finds two and all three go; it faults again, and the fourth finds one.
    expect(leaves(bench.kvm, 2).map(({ index }) => index)).toEqual([2, 3]);
    expect(bench.kvm.get(KVM.pages + 1)).toBe(2);
  });
});

describe('the lock', () => {
  it('is needed to zap (D1)', () => {
    const bench = split();
    expect(bench.cpu.held & HELD_MMU_WRITE).toBe(0);
    bench.run(zapOldest(bench.kvm, bench.cpu, 1));
    expect(bench.seen.broke.length).toBeGreaterThan(0);
    expect(new Set(bench.seen.broke.map(({ id }) => id))).toEqual(new Set(['D1']));
  });
});
