import { describe, expect, it } from 'vitest';
import { pscCheck } from '../../src/check/psc.ts';
import { checkWorld } from '../../src/check/stop-the-world.ts';
import { tdpWalk } from '../../src/check/tdp-walk.ts';
import { tlbCheck } from '../../src/check/tlb.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { SPTE_W } from '../../src/mmu/format.ts';
import { KVM, type Kvm } from '../../src/mmu/kvm.ts';
import { pteListEntries } from '../../src/mmu/pte-list.ts';
import { pscEntries, type PscEntry } from '../../src/mmu/psc.ts';
import { ROLE_INVALID } from '../../src/mmu/role.ts';
import { SP, spTable } from '../../src/mmu/shadow-page.ts';
import { walkIndex } from '../../src/mmu/shadow/walk-addr.ts';
import { liveEpoch, TLB, TLB_DIRTY, TLB_R, TLB_W } from '../../src/mmu/tlb.ts';
import { IN_GUEST_MODE, REQ_TLB_FLUSH, ROOT_L1, VCPU } from '../../src/mmu/vcpu-words.ts';
import aliasSameAccess from '../../scenarios/alias-same-access.ts';
import bothMmus from '../../scenarios/both-mmus.ts';
import nestedMigration from '../../scenarios/nested-migration.ts';
import { booted, findEntry } from '../support/q-machine.ts';
import { runtimeOf } from './judged-run.ts';

const psc = (kvm: Kvm): string[] => checkWorld(kvm, [pscCheck]).map(({ id }) => id);
const tlb = (kvm: Kvm): string[] => checkWorld(kvm, [tlbCheck]).map(({ id }) => id);

describe('a paging-structure cache', () => {
  /** A machine whose first vCPU remembers a table, and no other vCPU anything. */
  function remembering(): { kvm: Kvm; entry: PscEntry } {
    const { kvm } = runtimeOf(nestedMigration, { parameters: { psc: 4 }, stateChecks: [], stepChecks: [] });
    const [entry] = pscEntries(kvm, 0);
    if (entry === undefined) throw new Error('nothing is remembered after the boot');
    return { kvm, entry };
  }
  /** The word of the SPTE that the entry stands for, if it is one of the root. */
  const rootEntry = (kvm: Kvm, entry: PscEntry): number => {
    const root = kvm.w[kvm.vcpuWord(0) + VCPU.roots + entry.root]!;
    return (
      (kvm.tablesQ +
        (spTable(kvm, root) << kvm.tableBits) +
        walkIndex(kvm, entry.l2Gfn, kvm.config.rootLevel)) *
      2
    );
  };

  it('leads where a walk leads (Q49), unless a flush is pending', () => {
    const { kvm, entry } = remembering();
    expect(psc(kvm)).toEqual([]);
    kvm.w[rootEntry(kvm, entry)] = 0;
    expect(new Set(psc(kvm))).toEqual(new Set(['Q49']));
    for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++)
      kvm.w[kvm.vcpuWord(vcpu) + VCPU.requests] = REQ_TLB_FLUSH;
    expect(psc(kvm)).toEqual([]);
  });

  it('does not lead to a table that was freed (Q51)', () => {
    const { kvm, entry } = remembering();
    kvm.w[rootEntry(kvm, entry)] = 0;
    kvm.w[kvm.tableOwner + entry.table] = 0;
    expect(psc(kvm)).toContain('Q51');
  });
});

describe('a vCPU that has to leave its root', () => {
  it('may hold stale entries outside of the guest, and none inside (Q49)', () => {
    const { kvm } = runtimeOf(nestedMigration, { stateChecks: [], stepChecks: [] });
    const root = kvm.w[kvm.vcpuWord(0) + VCPU.roots]!;
    const first = (kvm.tablesQ + (spTable(kvm, root) << kvm.tableBits)) * 2;
    kvm.w.fill(0, first, first + kvm.entries * 2);
    expect(tlb(kvm)).toContain('Q49');
    kvm.w[kvm.header(root) + SP.role]! |= ROLE_INVALID;
    expect(tlb(kvm)).toEqual([]);
    for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) kvm.w[kvm.vcpuWord(vcpu) + VCPU.mode] = IN_GUEST_MODE;
    expect(tlb(kvm)).toContain('Q49');
  });
});

describe('a TLB entry over an entry of a table that L1 may write', () => {
  const EPT_X = 4;
  /** Takes bits out of a leaf that is in a TLB, and says what is found. */
  function without(bits: number, place: { level: number; direct: boolean }): string[] {
    const kvm = booted();
    const at = findEntry(kvm, { ...place, leaf: true }).sptep * 2;
    expect(tlb(kvm)).toEqual([]);
    kvm.w[at]! &= ~bits;
    return [...new Set(tlb(kvm))];
  }

  it('may keep X until L1 invalidates it: a fault takes it without a flush', () => {
    expect(without(EPT_X, { level: 1, direct: false })).toEqual([]);
  });

  it('may not keep W (Q49), which is taken with a flush', () => {
    expect(without(SPTE_W, { level: 1, direct: false })).toEqual(['Q49']);
  });

  it('may keep nothing of a table at a higher level, which L1 cannot write unnoticed (Q49)', () => {
    expect(without(EPT_X, { level: 2, direct: false })).toEqual(['Q49']);
  });
});

describe('a TLB entry whose entry of L1 names another page now', () => {
  /** Two aliases of each page, all of which the TLBs have. Gives the leaf of the first alias of the first page another frame. */
  function moved(flushBackend: string): { kvm: Kvm; second: number } {
    const { kvm } = runtimeOf(aliasSameAccess, {
      parameters: { flushBackend },
      stateChecks: [],
      stepChecks: [],
    });
    const slot = kvm.slots[1]!;
    const [first, second] = pteListEntries(kvm, slot.rmapWord(slot.baseGfn, 2));
    expect(tlb(kvm)).toEqual([]);
    kvm.w[first! * 2]! ^= kvm.pages(2) << 12;
    return { kvm, second: second! };
  }

  it('is stale where flushes are full (Q49)', () => {
    expect(tlb(moved('full').kvm)).toContain('Q49');
  });

  it('will be found by its gfn, where ranges name gfns, as long as a leaf of the old page is in the reverse maps', () => {
    const { kvm, second } = moved('range-l2');
    expect(tlb(kvm)).toEqual([]);
    // A leaf that permits less says nothing of W.
    kvm.w[second * 2]! &= ~SPTE_W;
    expect(tlb(kvm)).toContain('Q49');
  });
});

describe('a TLB entry of L1', () => {
  /** After a migration with PML: an entry of an L1 vCPU for a clean leaf, as a walk that found D would have made it. */
  function cleanEntry(): { kvm: Kvm; entry: number; leaf: number } {
    const runtime = runtimeOf(bothMmus, { parameters: { pml: 8 }, stateChecks: [], stepChecks: [] });
    runtime.run(new RandomWalk(5), 5, 0);
    const { kvm } = runtime;
    const walk = tdpWalk(kvm)!;
    const vcpu = kvm.config.vcpus - 1;
    kvm.w[kvm.vcpuWord(vcpu) + VCPU.requests] = 0;
    kvm.w[kvm.vcpuWord(vcpu) + VCPU.tlbEpoch]!++;
    for (let p = 0; p < walk.count; p++) {
      const header = kvm.header(walk.pages[p]!);
      const leaf = walk.firstEntry(p) * 2;
      const wanted = 0x800 | TLB_R | SPTE_WRITE;
      if ((kvm.w[header + SP.role]! & 0xf) !== 1 || (kvm.w[leaf]! & wanted) !== wanted) continue;
      kvm.w[leaf]! &= ~kvm.format.dirtyLo;
      const entry = kvm.tlbBase(vcpu);
      kvm.w[entry + TLB.tag] = kvm.w[header + SP.gfn]!;
      kvm.w[entry + TLB.epoch] = liveEpoch(kvm, vcpu);
      kvm.w[entry + TLB.pfn] = kvm.slotOf(kvm.w[header + SP.gfn]!)!.pfn(kvm.w[header + SP.gfn]!);
      kvm.w[entry + TLB.perm] = TLB_R | TLB_W;
      kvm.w[entry + TLB.root] = ROOT_L1;
      return { kvm, entry, leaf };
    }
    throw new Error('no writable leaf');
  }
  const SPTE_WRITE = 2;

  it('does not remember D that was taken away under PML (Q49), unless the ioctl still owes its flush', () => {
    const { kvm, entry, leaf } = cleanEntry();
    expect(tlb(kvm)).toEqual([]);
    kvm.w[entry + TLB.perm]! |= TLB_DIRTY;
    expect(tlb(kvm)).toEqual(['Q49']);
    kvm.put(KVM.deferredFlush, 1);
    expect(tlb(kvm)).toEqual([]);
    kvm.put(KVM.deferredFlush, 0);
    kvm.w[leaf]! |= kvm.format.dirtyLo;
    expect(tlb(kvm)).toEqual([]);
    kvm.w[leaf]! ^= 0x1000;
    expect(tlb(kvm)).toEqual(['Q49']);
  });
});
