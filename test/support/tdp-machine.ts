/** A machine whose EPT01 a test fills by hand, without page faults. */
import { ACC_ALL, isLastSpte, isShadowPresent } from '../../src/mmu/format.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import type { Kvm } from '../../src/mmu/kvm.ts';
import { spTable } from '../../src/mmu/shadow-page.ts';
import { makeSpte, spteTable } from '../../src/mmu/spte.ts';
import { TdpIter } from '../../src/mmu/tdp/iter.ts';
import { tdpMmuLinkSp } from '../../src/mmu/tdp/link.ts';
import { tdpMmuAllocSpFromPool, tdpMmuInitChildSp } from '../../src/mmu/tdp/pages.ts';
import { rcuReadLock, rcuReadUnlock } from '../../src/mmu/tdp/rcu.ts';
import { tdpMmuGetVcpuRoot, tdpRoots } from '../../src/mmu/tdp/roots.ts';
import { tdpMmuSetSpte } from '../../src/mmu/tdp/set-spte.ts';
import { spteChildSp } from '../../src/mmu/spte.ts';
import type { Steps } from '../../src/cpu/steps.ts';
import { cacheTopup } from '../../src/mmu/memory-cache.ts';
import { Bench, identity, machineOf, type Given } from './machines.ts';

export interface TdpLeaf {
  readonly gfn: number;
  readonly level: number;
  readonly sptep: number;
  readonly lo: number;
  readonly hi: number;
}

/** Present leaves below a page of the TDP MMU, in the order of their gfns. */
export function tdpLeavesBelow(kvm: Kvm, sp: number, level: number, gfn: number): TdpLeaf[] {
  return Array.from({ length: kvm.entries }, (_, index) => {
    const sptep = kvm.tablesQ + (spTable(kvm, sp) << kvm.tableBits) + index;
    const at = gfn + index * kvm.pages(level);
    const lo = kvm.w[sptep * 2]!;
    const hi = kvm.w[sptep * 2 + 1]!;
    if (!isShadowPresent(lo)) return [];
    if (isLastSpte(lo, level)) return [{ gfn: at, level, sptep, lo, hi }];
    return tdpLeavesBelow(kvm, spteChildSp(kvm, lo, hi), level - 1, at);
  }).flat();
}

export interface MapOptions {
  readonly write?: boolean;
  readonly dirty?: boolean;
  readonly accessed?: boolean;
}

/** Four 2M pages of four pages each; one L2 vCPU and one that runs L1. */
export class TdpBench extends Bench {
  readonly root: number;

  constructor(given: Given = {}, engine: Engine = P1_ENGINE) {
    super(machineOf(identity(2, []), { backing: '1g', vcpus: 1, l1Vcpus: 1, ...given }), engine);
    const { kvm } = this;
    const vcpu = this.vcpu(1);
    const { objects } = kvm.layout.dims.caches;
    cacheTopup(kvm, vcpu.caches.header, kvm.headerPool, 5, objects);
    cacheTopup(kvm, vcpu.caches.table, kvm.tablePool, 5, objects);
    this.root = tdpRoots(kvm)[0] ?? this.locked(tdpMmuGetVcpuRoot(vcpu));
  }

  /** Runs with mmu_lock held for write. */
  locked<T>(steps: Steps<T>): T {
    this.run(this.kvm.writeLock(this.cpu));
    const result = this.run(steps);
    this.run(this.kvm.writeUnlock(this.cpu));
    return result;
  }

  /** Runs with mmu_lock held for read. */
  shared<T>(steps: Steps<T>): T {
    this.run(this.kvm.readLock(this.cpu));
    const result = this.run(steps);
    this.run(this.kvm.readUnlock(this.cpu));
    return result;
  }

  /** gfn of a page of the slot. */
  gfn(page: number): number {
    return this.slot.baseGfn + page;
  }

  /** Maps the page of `level` that `page` begins: writable, dirty and accessed unless `options` says otherwise. */
  map(page: number, level: number, options: MapOptions = {}): void {
    this.locked(this.install(this.gfn(page), level, options));
  }

  private *install(gfn: number, level: number, options: MapOptions): Steps<void> {
    const { kvm, cpu } = this;
    const f = kvm.format;
    const iter = new TdpIter(kvm, this.root, level, gfn);
    yield* rcuReadLock(kvm, cpu);
    for (yield* iter.start(cpu); iter.valid && iter.gfn <= gfn; yield* iter.next(cpu)) {
      if (iter.level > level) {
        if (isShadowPresent(iter.lo)) continue;
        const sp = tdpMmuAllocSpFromPool(kvm);
        tdpMmuInitChildSp(kvm, cpu, sp, iter);
        yield* tdpMmuLinkSp(kvm, cpu, iter, sp, false);
        continue;
      }
      makeSpte(kvm, cpu, {
        level,
        pfn: this.slot.pfn(gfn),
        access: ACC_ALL,
        hostWritable: true,
        prefetch: false,
        adDisabled: !kvm.config.hostAdBits,
        guestMode: false,
        oldLo: 0,
        writeProtected: false,
      });
      let { lo } = cpu;
      const { hi } = cpu;
      if (options.write === false) lo &= ~2;
      if (options.dirty === false) lo &= ~f.dirtyLo;
      if (options.accessed === false) lo &= ~f.accessedLo;
      yield* tdpMmuSetSpte(kvm, cpu, iter, lo, hi);
    }
    yield* rcuReadUnlock(kvm, cpu);
  }

  /** Leaves of the slot, with gfns as pages of the slot. */
  tdpLeaves(): TdpLeaf[] {
    const { kvm, root, slot } = this;
    return tdpLeavesBelow(kvm, root, kvm.config.tdpRootLevel, 0)
      .filter(({ gfn }) => gfn >= slot.baseGfn)
      .map((leaf) => ({ ...leaf, gfn: leaf.gfn - slot.baseGfn }));
  }

  /** `page:level` of every leaf, with W, D and A. */
  get shape(): string[] {
    const f = this.kvm.format;
    return this.tdpLeaves().map(
      ({ gfn, level, lo }) =>
        `${gfn}:${level}${lo & 2 ? 'w' : '-'}${lo & f.dirtyLo ? 'd' : '-'}${lo & f.accessedLo ? 'a' : '-'}`,
    );
  }
}

/** The table an entry points to, for tests that cut one off. */
export const tableOf = (kvm: Kvm, { lo, hi }: { readonly lo: number; readonly hi: number }): number =>
  spteTable(kvm, lo, hi);
