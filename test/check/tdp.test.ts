import { describe, expect, it } from 'vitest';
import { tdpLogCheck } from '../../src/check/dirty-tdp.ts';
import { goneSlotCheck } from '../../src/check/gone-slots.ts';
import { leafCheck } from '../../src/check/leaves.ts';
import { objectCheck } from '../../src/check/objects.ts';
import { protectedCheck, shadowedAs, SYNCED } from '../../src/check/protected.ts';
import { protectedAtReturn } from '../../src/check/steps-log.ts';
import { tdpSplits } from '../../src/check/steps-tdp.ts';
import { frozenCheck, rootsAtEnd, tdpCheck } from '../../src/check/tdp.ts';
import { tdpWalk, type TdpWalk } from '../../src/check/tdp-walk.ts';
import type { StateCheck } from '../../src/check/types.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { isLarge, isShadowPresent, REMOVED_SPTE_LO, SPTE_PS, SPTE_W } from '../../src/mmu/format.ts';
import { KVM, type Kvm } from '../../src/mmu/kvm.ts';
import { MEMSLOT_GONE } from '../../src/mmu/memslot.ts';
import { roleLevel } from '../../src/mmu/role.ts';
import { hashBucket, mayHoldTable, SP, spRole, sptepOf } from '../../src/mmu/shadow-page.ts';
import { rcuFree } from '../../src/mmu/tdp/rcu.ts';
import { tdpMmuSetSpteAtomic } from '../../src/mmu/tdp/set-spte.ts';
import { liveEpoch, TLB, TLB_R, TLB_W } from '../../src/mmu/tlb.ts';
import { ROOT_L1, VCPU } from '../../src/mmu/vcpu-words.ts';
import bothMmus from '../../scenarios/both-mmus.ts';
import l1Remap from '../../scenarios/l1-remap.ts';
import zapAll from '../../scenarios/zap-all.ts';
import { livePages } from '../support/q-machine.ts';
import { idsOf, runtimeOf } from './judged-run.ts';

const STATES: readonly StateCheck[] = [
  tdpCheck,
  frozenCheck,
  leafCheck,
  objectCheck,
  protectedCheck,
  tdpLogCheck,
  goneSlotCheck,
];

/** A machine after a whole migration in which L1 ran on its own tables. */
function migrated(parameters: Record<string, unknown> = {}, scenario = bothMmus): Kvm {
  const runtime = runtimeOf(scenario, { parameters, stateChecks: [], stepChecks: [] });
  const result = runtime.run(new RandomWalk(5), 5, 0);
  expect(result.violations).toEqual([]);
  return runtime.kvm;
}

function found(kvm: Kvm, checks: readonly StateCheck[] = STATES): string[] {
  const ids: string[] = [];
  for (const check of checks) check.run(kvm, (id) => ids.push(id));
  return [...new Set(ids)].sort();
}

/** Words of the entries of the TDP MMU that satisfy `test`. */
function entries(
  kvm: Kvm,
  test: (lo: number, level: number, gfn: number) => boolean,
  required = true,
): number[] {
  const walk = tdpWalk(kvm)!;
  const words: number[] = [];
  for (let p = 0; p < walk.count; p++) {
    const sp = walk.pages[p]!;
    const level = roleLevel(spRole(kvm, sp));
    for (let i = 0; i < kvm.entries; i++) {
      const word = sptepOf(kvm, sp, i) * 2;
      if (test(kvm.w[word]!, level, kvm.w[kvm.header(sp) + SP.gfn]! + i * kvm.pages(level))) words.push(word);
    }
  }
  if (words.length === 0 && required) throw new Error('the machine has no such entry');
  return words;
}

const inSlot = (kvm: Kvm, gfn: number): boolean => kvm.slotOf(gfn) === kvm.slots[1];
const leaf = (kvm: Kvm): number =>
  entries(kvm, (lo, level, gfn) => level === 1 && isShadowPresent(lo) && inSlot(kvm, gfn))[0]!;
const child = (walk: TdpWalk): number => walk.pages[walk.rootCount]!;

describe('the TDP MMU', () => {
  it.each([{}, { pml: 8 }, { hostAdBits: false }, { format: 'npt' }])(
    'is in order after a migration with %j',
    (parameters) => {
      expect(found(migrated(parameters))).toEqual([]);
    },
  );

  it('has no frozen entry while nobody is at work (Q37), and the shadow MMU never has', () => {
    const kvm = migrated();
    kvm.w[entries(kvm, (lo) => lo === 0)[0]!] = REMOVED_SPTE_LO;
    expect(found(kvm, [tdpCheck])).toEqual(['Q37']);
    const shadow = migrated();
    const word = sptepOf(shadow, livePages(shadow)[0]!, 0) * 2;
    shadow.w[word] = REMOVED_SPTE_LO;
    shadow.w[word + 1] = 0;
    expect(found(shadow, [frozenCheck])).toEqual(['Q37']);
  });

  it.each([
    ['its gfn', (kvm: Kvm, sp: number) => kvm.w[kvm.header(sp) + SP.gfn]!++],
    ['its parent', (kvm: Kvm, sp: number) => kvm.w[kvm.header(sp) + SP.parentPtes]!++],
    ['its kind', (kvm: Kvm, sp: number) => (kvm.w[kvm.header(sp) + SP.flags] = 0)],
    ['the number of pages', (kvm: Kvm) => kvm.put(KVM.tdpPages, kvm.get(KVM.tdpPages) + 1)],
    ['the hash', (kvm: Kvm, sp: number) => (kvm.w[hashBucket(kvm, kvm.w[kvm.header(sp) + SP.gfn]!)] = sp)],
  ])('keeps a page where its header says (Q38): %s', (_what, change) => {
    const kvm = migrated();
    change(kvm, child(tdpWalk(kvm)!));
    expect(found(kvm, [tdpCheck])).toEqual(['Q38']);
  });

  it('has a reference for each user of a root (Q39), and at the end no other', () => {
    const kvm = migrated();
    const word = kvm.header(kvm.get(KVM.tdpRoots)) + SP.rootCount;
    const ids: string[] = [];
    const atEnd = rootsAtEnd.make(kvm, (_cpu, id) => ids.push(id));
    atEnd.atEnd(kvm);
    expect(ids).toEqual([]);
    kvm.w[word]!++;
    expect(found(kvm, [tdpCheck])).toEqual([]);
    atEnd.atEnd(kvm);
    expect(ids).toEqual(['Q39']);
    kvm.w[word] = 0;
    expect(found(kvm, [tdpCheck])).toEqual(['Q39']);
  });

  it('maps what the host maps (Q24), with legal bits (Q27, Q31)', () => {
    const kvm = migrated();
    const word = leaf(kvm);
    const lo = kvm.w[word]!;
    const hi = kvm.w[word + 1]!;
    kvm.w[word] = lo ^ 0x1000;
    expect(found(kvm, [leafCheck])).toEqual(['Q24']);
    kvm.w[word] = lo | SPTE_W;
    kvm.w[word + 1] = hi & ~kvm.format.mmuWritableHi;
    expect(found(kvm, [leafCheck])).toEqual(['Q27']);
    kvm.w[word] = lo;
    kvm.w[word + 1] = hi | (2 << 20);
    expect(found(kvm, [leafCheck])).toEqual(['Q31']);
  });

  it('is counted in the statistics of its own and of all (Q36), and in the pools (Q53)', () => {
    const kvm = migrated();
    kvm.put(KVM.tdpLeaves, kvm.get(KVM.tdpLeaves) + 1);
    expect(found(kvm, [objectCheck])).toEqual(['Q36']);
    const lost = migrated();
    lost.tablePool.alloc();
    expect(found(lost, [objectCheck])).toEqual(['Q53']);
  });

  it('maps nothing of a slot that is gone (Q40)', () => {
    const kvm = migrated();
    for (const head of [1, 2, 3].flatMap((level) => [kvm.slots[1]!.rmapWord(kvm.slots[1]!.baseGfn, level)]))
      kvm.w[head] = 0;
    kvm.w[kvm.slots[1]!.flagsWord] = MEMSLOT_GONE;
    expect(found(kvm, [goneSlotCheck])).toEqual(['Q40']);
  });

  it('maps a shadowed table without W (Q41), and in no writable huge page (Q26)', () => {
    const { kvm, word } = mappedTable();
    expect(found(kvm, [protectedCheck])).toEqual([]);
    kvm.w[word]! |= SPTE_W;
    expect(found(kvm, [protectedCheck])).toEqual(['Q41']);
    const table = ((word >> 1) - kvm.tablesQ) >> kvm.tableBits;
    const sptep = kvm.w[kvm.header(kvm.w[kvm.tableOwner + table]!) + SP.parentPtes]!;
    kvm.w[sptep * 2] = kvm.w[word]! | SPTE_PS;
    expect(found(kvm, [protectedCheck])).toEqual(['Q26']);
  });
});

/** A machine in which L1 has read one of its tables that KVM shadows, and the word of the leaf. */
function mappedTable(): { kvm: Kvm; word: number } {
  const runtime = runtimeOf(l1Remap, { stateChecks: [], stepChecks: [] });
  const { kvm } = runtime;
  for (let schedule = 0; schedule < 40; schedule++) {
    runtime.run(new RandomWalk(5), 5, schedule);
    const [word] = entries(
      kvm,
      (lo, level, gfn) =>
        level === 1 && isShadowPresent(lo) && mayHoldTable(kvm, gfn) && shadowedAs(kvm, gfn) === SYNCED,
      false,
    );
    if (word !== undefined) return { kvm, word };
  }
  throw new Error('L1 reads none of its tables');
}

describe('a logged slot under the TDP MMU', () => {
  const isClean = (kvm: Kvm, gfn: number): boolean => {
    const page = gfn - kvm.slots[1]!.baseGfn;
    return (
      inSlot(kvm, gfn) && (kvm.w[kvm.slots[1]!.layout.dirtyBitmap + (page >>> 5)]! & (1 << (page & 31))) === 0
    );
  };
  const cleanLeaf = (kvm: Kvm): number =>
    entries(kvm, (lo, level, gfn) => level === 1 && isShadowPresent(lo) && isClean(kvm, gfn))[0]!;

  it('has no huge page (Q43), and none that is writable (Q42)', () => {
    const kvm = migrated();
    const parent = entries(
      kvm,
      (lo, level, gfn) => level === 2 && isShadowPresent(lo) && !isLarge(lo) && inSlot(kvm, gfn),
    )[0]!;
    const word = leaf(kvm);
    kvm.w[parent] = (kvm.w[word]! | SPTE_PS) & ~SPTE_W;
    expect(found(kvm, [tdpLogCheck])).toEqual(['Q43']);
    kvm.w[parent] |= SPTE_W;
    expect(found(kvm, [tdpLogCheck])).toEqual(['Q42', 'Q43']);
  });

  it('has every writable page in the log (Q44, D11)', () => {
    const kvm = migrated();
    const ids: string[] = [];
    const check = protectedAtReturn.make(kvm, (_cpu, id) => ids.push(id));
    const { cpus } = runtimeOf(bothMmus, { stateChecks: [], stepChecks: [] });
    check.ioctl(cpus[0]!, 'get', 1, false);
    expect(ids).toEqual([]);
    kvm.w[cleanLeaf(kvm)]! |= SPTE_W;
    expect(found(kvm, [tdpLogCheck])).toEqual(['Q44']);
    check.ioctl(cpus[0]!, 'get', 1, false);
    expect(ids).toEqual(['D11']);
  });

  it('has every page in the log that a TLB can write (D11), once the fast path has marked what it made writable', () => {
    const kvm = migrated();
    const ids: string[] = [];
    const check = protectedAtReturn.make(kvm, (_cpu, id) => ids.push(id));
    const { cpus } = runtimeOf(bothMmus, { stateChecks: [], stepChecks: [] });
    // As if vCPU 1 had filled its TLB from an entry that vCPU 2 is making writable.
    const vcpu = kvm.config.vcpus - 1;
    const slot = kvm.slots[1]!;
    kvm.w[kvm.vcpuWord(vcpu) + VCPU.requests] = 0;
    const entry = kvm.tlbBase(vcpu);
    kvm.w[entry + TLB.tag] = slot.baseGfn;
    kvm.w[entry + TLB.epoch] = liveEpoch(kvm, vcpu);
    kvm.w[entry + TLB.pfn] = slot.pfn(slot.baseGfn);
    kvm.w[entry + TLB.perm] = TLB_R | TLB_W;
    kvm.w[entry + TLB.root] = ROOT_L1;
    kvm.w[slot.layout.dirtyBitmap]! &= ~1;
    kvm.w[kvm.layout.rcu + 1] = 1;
    check.ioctl(cpus[0]!, 'get', 1, false);
    expect(ids).toEqual([]);
    kvm.w[kvm.layout.rcu + 1] = 0;
    check.ioctl(cpus[0]!, 'get', 1, false);
    expect(ids).toEqual(['D11']);
  });

  it('has every dirty page in the log or in a PML buffer (Q45)', () => {
    const kvm = migrated({ pml: 8 });
    const word = cleanLeaf(kvm);
    kvm.w[word]! |= SPTE_W;
    expect(found(kvm, [tdpLogCheck])).toEqual([]);
    kvm.w[word]! |= kvm.format.dirtyLo;
    expect(found(kvm, [tdpLogCheck])).toEqual(['Q45']);
  });
});

describe('a split of the TDP MMU', () => {
  const only = { stateChecks: [], stepChecks: [tdpSplits] };
  /** The family over a machine after its migration, for a test that tells it what happens. */
  function told() {
    const kvm = migrated();
    const ids: string[] = [];
    const check = tdpSplits.make(kvm, (_cpu, id) => ids.push(id));
    check.begin(kvm);
    const { cpus } = runtimeOf(bothMmus, { stateChecks: [], stepChecks: [] });
    return { kvm, cpu: cpus[0]!, check, ids };
  }
  const childOf = (
    change: (cpu: { lo: number; hi: number }, kvm: Kvm) => void,
  ): Partial<typeof P1_ENGINE> => ({
    makeHugePageSplitSpte(kvm, cpu, ...rest) {
      P1_ENGINE.makeHugePageSplitSpte(kvm, cpu, ...rest);
      change(cpu, kvm);
    },
  });

  it('passes in the kernel', () => {
    expect(idsOf(bothMmus, only)).toEqual([]);
  });

  it.each([
    ['in one software bit (Q34)', 'Q34', childOf((cpu, kvm) => (cpu.hi ^= kvm.format.mmuWritableHi))],
    ['in the frame (Q35)', 'Q35', childOf((cpu) => (cpu.lo += 0x1000))],
  ])('is found to differ %s', (_what, id, engine) => {
    expect(idsOf(bothMmus, { ...only, engine })).toContain(id);
  });

  it('is found to permit what the huge page did not (D16)', () => {
    const { kvm, cpu, check, ids } = told();
    const sptep =
      entries(
        kvm,
        (lo, level, gfn) => level === 2 && isShadowPresent(lo) && !isLarge(lo) && inSlot(kvm, gfn),
      )[0]! >> 1;
    const first = (kvm.tablesQ + (((kvm.w[sptep * 2]! >>> 12) - kvm.tablePfnBase) << kvm.tableBits)) * 2;
    for (let i = 0; i < kvm.entries; i++)
      kvm.w[first + i * 2] = (kvm.w[first]! & 0xfff) | (((kvm.w[first]! >>> 12) + i) << 12);
    const tell = (lo: number): void =>
      check.tdpChanged(cpu, sptep, lo, kvm.w[first + 1]!, kvm.w[sptep * 2]!, kvm.w[sptep * 2 + 1]!);
    for (let i = 0; i < kvm.entries; i++) {
      kvm.w[first + i * 2]! |= SPTE_W;
      kvm.w[first + i * 2 + 1] = kvm.w[first + 1]!;
    }
    tell(kvm.w[first]! | SPTE_PS);
    expect(ids).toEqual([]);
    tell((kvm.w[first]! | SPTE_PS) & ~SPTE_W);
    expect(ids).toEqual(['D16']);
  });

  it('is found to unmap the page meanwhile (D15)', () => {
    const engine: Partial<typeof P1_ENGINE> = {
      *tdpLinkSplitChild(kvm, cpu, iter, sp, shared) {
        if (shared && (yield* tdpMmuSetSpteAtomic(kvm, cpu, iter, 0, 0)) === 0) iter.lo = iter.hi = 0;
        return yield* P1_ENGINE.tdpLinkSplitChild(kvm, cpu, iter, sp, shared);
      },
    };
    expect(idsOf(bothMmus, { ...only, engine })).toEqual(['D15']);
  });

  it('is found to free a table under a reader (D25)', () => {
    const { kvm, cpu, check, ids } = told();
    const walk = tdpWalk(kvm)!;
    const sptep = walk.parents[walk.rootCount]!;
    const cutOff = (): void => check.tdpChanged(cpu, sptep, kvm.w[sptep * 2]!, kvm.w[sptep * 2 + 1]!, 0, 0);
    const reader = kvm.layout.rcu + 1;
    cutOff();
    check.pageFreed(cpu, child(walk));
    kvm.w[reader] = 7;
    cutOff();
    kvm.w[reader] = 0;
    check.pageFreed(cpu, child(walk));
    expect(ids).toEqual([]);
    kvm.w[reader] = 7;
    cutOff();
    check.pageFreed(cpu, child(walk));
    expect(ids).toEqual(['D25']);
  });

  it('frees nothing early in the kernel, and everything with a broken call_rcu (D25)', () => {
    const engine: Partial<typeof P1_ENGINE> = {
      *callRcu(kvm, cpu, sp) {
        rcuFree(kvm, cpu, sp);
      },
    };
    const parameters = { l1Vcpus: 1 };
    expect(idsOf(zapAll, { ...only, parameters })).toEqual([]);
    expect(idsOf(zapAll, { ...only, parameters, engine })).toContain('D25');
  });
});
