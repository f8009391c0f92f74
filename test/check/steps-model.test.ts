import { describe, expect, it } from 'vitest';
import { flushDebts } from '../../src/check/steps-flush.ts';
import { freedTables } from '../../src/check/steps-freed.ts';
import { installs } from '../../src/check/steps-install.ts';
import { multihit } from '../../src/check/steps-multihit.ts';
import { notifierCounts } from '../../src/check/steps-notifier.ts';
import { lockOrder } from '../../src/check/steps-order.ts';
import { splitProgress } from '../../src/check/steps-progress.ts';
import { splitContents } from '../../src/check/steps-split.ts';
import { volatileBits } from '../../src/check/steps-volatile.ts';
import { tlbCursor } from '../../src/check/tlb-cursor.ts';
import type { StepCheckFamily } from '../../src/check/types.ts';
import { HELD_MMU_READ, HELD_MMU_WRITE, HELD_SLOTS, HELD_TDP_PAGES } from '../../src/cpu/cpu.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { KVM } from '../../src/mmu/kvm.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, LOG_STATE_ENABLED } from '../../src/mmu/memslot.ts';
import { ROLE_INVALID } from '../../src/mmu/role.ts';
import { SP, spGfn, sptepOf, sptepToSp } from '../../src/mmu/shadow-page.ts';
import { pteListRemove } from '../../src/mmu/pte-list.ts';
import { updatePageStats } from '../../src/mmu/rmap.ts';
import { VCPU } from '../../src/mmu/vcpu-words.ts';
import nestedMigration from '../../scenarios/nested-migration.ts';
import { aliased, idsOf, violationsOf } from './judged-run.ts';
import { hugeLeaf } from './scene.ts';
import { scene } from './step-scene.ts';

const only = (family: StepCheckFamily) => ({ stateChecks: [], stepChecks: [family] });

describe('the clean engine', () => {
  it.each([
    ['the order of locks', lockOrder],
    ['the progress of passes', splitProgress],
    ['installs', installs],
    ['volatile bits', volatileBits],
    ['notifiers', notifierCounts],
    ['owed flushes', flushDebts],
    ['freed tables', freedTables],
    ['iTLB multihits', multihit],
  ])('passes %s', (_name, family) => {
    expect(violationsOf(nestedMigration, { ...only(family), schedules: 30 })).toEqual([]);
  });
});

describe('the order of locks', () => {
  it('is from the outside in (D21)', () => {
    const { cpu, check, taken } = scene(lockOrder);
    cpu.held = HELD_SLOTS;
    check.lockOrder(cpu, 'mmu_lock', true);
    cpu.held = HELD_MMU_READ;
    check.lockOrder(cpu, 'tdp_mmu_pages_lock', true);
    check.lockOrder(cpu, 'slots_lock', false);
    expect(taken()).toEqual([]);
    check.lockOrder(cpu, 'slots_lock', true);
    check.lockOrder(cpu, 'mmu_lock', true);
    cpu.held = HELD_TDP_PAGES;
    check.lockOrder(cpu, 'mmu_lock', true);
    check.lockOrder(cpu, 'mmu_unsync_pages_lock', true);
    expect(taken()).toEqual(['D21', 'D21', 'D21', 'D21']);
  });

  it('is broken by a topup that takes slots_lock under mmu_lock', () => {
    const engine: Partial<typeof P1_ENGINE> = {
      needTopupSplitCachesOrResched(kvm, cpu, caches) {
        kvm.observer.lockOrder(cpu, 'slots_lock', true);
        return P1_ENGINE.needTopupSplitCachesOrResched(kvm, cpu, caches);
      },
    };
    expect(idsOf(nestedMigration, { ...only(lockOrder), engine })).toEqual(['D21']);
  });
});

describe('a split pass of a kernel without preemption', () => {
  it('does not give the lock up because somebody waits (D13)', () => {
    const attempt = (given: Parameters<typeof scene>[1], low: boolean): string[] => {
      const { cpu, check, taken } = scene(splitProgress, given);
      check.splitPass(cpu, 1, 0, 1, true);
      check.topup(cpu, low, 0);
      check.splitAttempt(cpu, 0, 2, 0, 0, -11);
      return taken();
    };
    expect(attempt({ preempt: 'none', reschedRate: 0 }, false)).toEqual(['D13']);
    expect(attempt({ preempt: 'none', reschedRate: 0 }, true)).toEqual([]);
    expect(attempt({ preempt: 'none', reschedRate: 0.1 }, false)).toEqual([]);
    expect(attempt({ preempt: 'full', reschedRate: 0 }, false)).toEqual([]);
  });
});

describe('a fault', () => {
  it('is tried again for an invalidation only if there was one (D13)', () => {
    const { kvm, cpu, check, taken } = scene(splitProgress);
    kvm.put(KVM.invalidateSeq, 3);
    check.staleFault(cpu, 11, 2);
    kvm.put(KVM.invalidateInProgress, 1);
    kvm.put(KVM.invalidateStart, 10);
    kvm.put(KVM.invalidateEnd, 12);
    check.staleFault(cpu, 11, 3);
    expect(taken()).toEqual([]);
    check.staleFault(cpu, 12, 3);
    expect(taken()).toEqual(['D13']);
  });
});

describe('a split pass', () => {
  it('starts a head over only after a split or a drop (D12)', () => {
    const engine: Partial<typeof P1_ENGINE> = { afterAttempt: () => 'restart' };
    expect(idsOf(aliased(1), { ...only(splitProgress), parameters: { mmuPages: 10 }, engine })).toEqual([
      'D12',
    ]);
  });

  it('does not go on filling caches without splitting (D13)', () => {
    const engine: Partial<typeof P1_ENGINE> = {
      topupSplitCaches: (kvm, cpu) => {
        kvm.observer.topup(cpu, true, 0);
        return 0;
      },
    };
    expect(idsOf(nestedMigration, { ...only(splitProgress), engine })).toEqual(['D13']);
  });

  it('does not give the lock up for competitors that are not there (D13), unless it may be preempted', () => {
    const engine: Partial<typeof P1_ENGINE> = { needTopupSplitCachesOrResched: () => true };
    const parameters = { reschedRate: 0 };
    expect(idsOf(nestedMigration, { ...only(splitProgress), engine, parameters })).toEqual(['D13']);
    const { cpu, check, taken } = scene(splitProgress, { reschedRate: 0.5 });
    check.splitPass(cpu, 1, 0, 1, true);
    for (let i = 0; i < 40; i++) {
      check.topup(cpu, false, 0);
      check.splitAttempt(cpu, 0, 2, 0, 0, -11);
    }
    expect(taken()).toEqual([]);
  });

  it('does not drop the lock while a page is unmapped (D15)', () => {
    const engine: Partial<typeof P1_ENGINE> = {
      linkSplitChild(pass, hugeSptep, sp) {
        pass.kvm.observer.writeReleased(pass.cpu);
        P1_ENGINE.linkSplitChild(pass, hugeSptep, sp);
      },
    };
    expect(idsOf(nestedMigration, { ...only(splitContents), engine })).toEqual(['D15']);
  });

  it('owes no flush when it drops the lock (D20), unless the table maps the same', () => {
    expect(idsOf(nestedMigration, { ...only(flushDebts), engine: { splitNeedsFlush: () => false } })).toEqual(
      [],
    );
    const engine: Partial<typeof P1_ENGINE> = {
      fillSplitChild(pass, sp, from) {
        const { kvm, slot } = pass;
        const filled = P1_ENGINE.fillSplitChild(pass, sp, from);
        const level = pass.level - 1;
        const sptep = sptepOf(kvm, sp, 0);
        kvm.arena.put(sptep * 2, 0);
        pteListRemove(kvm, sptep, slot.rmapWord(spGfn(kvm, sp), level));
        updatePageStats(kvm, level, -1);
        return filled;
      },
    };
    expect(idsOf(nestedMigration, { ...only(flushDebts), engine })).toEqual(['D20']);
  });
});

describe('a flush that is owed', () => {
  it('is due when the lock is dropped (D20), for anything but W of the dirty log and obsolete pages', () => {
    const { kvm, cpu, check, taken } = scene(flushDebts);
    const sptep = hugeLeaf(kvm);
    const lo = kvm.w[sptep * 2]!;
    const hi = kvm.w[sptep * 2 + 1]!;
    const drop = (newLo: number, newHi: number): void => {
      kvm.w[sptep * 2] = newLo;
      kvm.w[sptep * 2 + 1] = newHi;
      check.spteChanged(cpu, sptep, lo, hi, newLo, newHi);
    };
    drop(lo & ~2, hi);
    check.writeReleased(cpu);
    expect(taken()).toEqual([]);
    drop(0, 0);
    check.flush(cpu, 'zap', 0, 0);
    check.writeReleased(cpu);
    expect(taken()).toEqual([]);
    drop(0, 0);
    check.readReleased(cpu);
    expect(taken()).toEqual(['D20']);
    const role = kvm.header(sptepToSp(kvm, sptep)) + SP.role;
    kvm.w[role]! |= ROLE_INVALID;
    drop(0, 0);
    check.writeReleased(cpu);
    expect(taken()).toEqual([]);
  });

  it('for a shadowed table is owed by who takes MMU-writable (D20)', () => {
    const { kvm, cpu, check, taken } = scene(flushDebts);
    const sptep = hugeLeaf(kvm);
    const lo = kvm.w[sptep * 2]!;
    const hi = kvm.w[sptep * 2 + 1]!;
    kvm.w[sptep * 2] = lo & ~2;
    kvm.w[sptep * 2 + 1] = hi & ~kvm.format.mmuWritableHi;
    check.spteChanged(cpu, sptep, lo, hi, lo & ~2, hi & ~kvm.format.mmuWritableHi);
    kvm.w[sptep * 2] = 0;
    check.writeReleased(cpu);
    expect(taken()).toEqual(['D20']);
  });
});

describe('a fault', () => {
  it('installs only through a good root and with a fresh sequence number (D17)', () => {
    const { kvm, cpu, check, taken } = scene(installs);
    const root = kvm.w[kvm.vcpuWord(0) + VCPU.roots]!;
    const sptep = hugeLeaf(kvm);
    check.installed(cpu, root, sptep, 0);
    expect(taken()).toEqual([]);
    check.installed(cpu, root, sptep, 1);
    expect(taken()).toEqual(['D17']);
    kvm.put(KVM.invalidateInProgress, 1);
    kvm.put(KVM.invalidateStart, kvm.slots[1]!.baseGfn + 1);
    kvm.put(KVM.invalidateEnd, kvm.slots[1]!.baseGfn + 2);
    check.installed(cpu, root, sptep, 0);
    kvm.put(KVM.invalidateInProgress, 0);
    kvm.w[kvm.header(root) + SP.role]! |= ROLE_INVALID;
    check.installed(cpu, root, sptep, 0);
    expect(taken()).toEqual(['D17', 'D17']);
  });

  it('has the page in the log when the section ends in which it became writable (D19)', () => {
    const { kvm, cpu, check, taken } = scene(installs);
    const root = kvm.w[kvm.vcpuWord(0) + VCPU.roots]!;
    const sptep = hugeLeaf(kvm);
    const slot = kvm.slots[1]!;
    check.installed(cpu, root, sptep, 0);
    check.writeReleased(cpu);
    expect(taken()).toEqual([]);
    kvm.w[slot.flagsWord] = KVM_MEM_LOG_DIRTY_PAGES;
    kvm.w[slot.logStateWord] = LOG_STATE_ENABLED;
    check.installed(cpu, root, sptep, 0);
    cpu.held = HELD_MMU_WRITE;
    check.dirtied(cpu, 1, slot.baseGfn);
    cpu.held = 0;
    check.writeReleased(cpu);
    expect(taken()).toEqual([]);
    check.installed(cpu, root, sptep, 0);
    check.readReleased(cpu);
    expect(taken()).toEqual(['D19']);
  });

  it('on the fast path marks before it enters the guest (D19), and makes no huge page writable (D18)', () => {
    const { kvm, cpu, check, taken } = scene(installs);
    const sptep = hugeLeaf(kvm);
    const slot = kvm.slots[1]!;
    const gfn = slot.baseGfn;
    // As if it were a direct page: others the fast path leaves alone (D1).
    kvm.w[kvm.header(sptepToSp(kvm, sptep)) + SP.role]! |= 1 << 7;
    check.fastFixed(cpu, sptep, gfn, 0x802, 0);
    expect(taken()).toEqual([]);
    kvm.w[slot.flagsWord] = KVM_MEM_LOG_DIRTY_PAGES;
    kvm.w[slot.logStateWord] = LOG_STATE_ENABLED;
    check.fastFixed(cpu, sptep, gfn, 0x802, 0);
    expect(taken()).toEqual(['D18']);
    const role = kvm.header(sptepToSp(kvm, sptep)) + SP.role;
    kvm.w[role] = (kvm.w[role]! & ~0xf) | 1;
    check.fastFixed(cpu, sptep, gfn, 0x802, 0);
    check.dirtied(cpu, 1, gfn);
    check.guestEntering(cpu, 0);
    expect(taken()).toEqual([]);
    check.fastFixed(cpu, sptep, gfn, 0x802, 0);
    check.guestEntering(cpu, 0);
    expect(taken()).toEqual(['D19']);
  });
});

describe('what hardware wrote into an entry', () => {
  it('is handed to the host page (Q47)', () => {
    expect(
      idsOf(nestedMigration, { ...only(volatileBits), engine: { hostPageInherits: () => undefined } }),
    ).toEqual(['Q47']);
  });

  it('is not stored over (D5)', () => {
    const engine: Partial<typeof P1_ENGINE> = {
      linkSplitChild(pass, hugeSptep, sp) {
        const { kvm } = pass;
        // As if the huge SPTE had not been dropped by the exchange before.
        kvm.arena.put(hugeSptep * 2, pass.hugeLo & ~kvm.format.dirtyLo);
        kvm.arena.put(hugeSptep * 2 + 1, pass.hugeHi);
        P1_ENGINE.linkSplitChild(pass, hugeSptep, sp);
      },
    };
    expect(idsOf(nestedMigration, { ...only(volatileBits), engine })).toEqual(['D5']);
  });
});

describe('a notifier', () => {
  it('counts itself in and out (Q52)', () => {
    const { kvm, cpu, check, taken } = scene(notifierCounts);
    kvm.put(KVM.invalidateInProgress, 1);
    check.invalidate(cpu, 0, 1, 'begin');
    check.writeReleased(cpu);
    expect(taken()).toEqual([]);
    kvm.put(KVM.invalidateInProgress, 0);
    check.writeReleased(cpu);
    expect(taken()).toEqual(['Q52']);
    check.invalidate(cpu, 0, 1, 'end');
    check.writeReleased(cpu);
    expect(taken()).toEqual(['Q52']);
    kvm.put(KVM.invalidateSeq, 1);
    check.atEnd(kvm);
    expect(taken()).toEqual([]);
    kvm.put(KVM.activeInvalidates, 1);
    check.atEnd(kvm);
    expect(taken()).toEqual(['Q52']);
  });

  it('leaves nobody a translation to the old frame (D7)', () => {
    const { kvm, cpu, check, taken } = scene(notifierCounts);
    const cursor = tlbCursor(kvm);
    expect(cursor.next(0)).toBe(true);
    const slot = kvm.slots[1]!;
    const gfn = slot.baseGfn + (cursor.pfn - slot.config.basePfn);
    check.invalidate(cpu, gfn + 1, gfn + 2, 'unmapped');
    expect(taken()).toEqual(['D7']);
    for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) kvm.w[kvm.vcpuWord(vcpu) + VCPU.tlbEpoch]!++;
    check.invalidate(cpu, gfn, gfn + 1, 'unmapped');
    expect(taken()).toEqual([]);
  });
});
