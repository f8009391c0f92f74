// D1 on the fast path: only what it may change, and only where it may (5.3).
import { describe, expect, it } from 'vitest';
import { installs } from '../../src/check/steps-install.ts';
import { SPTE_AD_DISABLED_HI } from '../../src/mmu/format.ts';
import { SP, sptepToSp } from '../../src/mmu/shadow-page.ts';
import { roleDirect } from '../../src/mmu/role.ts';
import nestedMigration from '../../scenarios/nested-migration.ts';
import { hugeLeaf, sceneOf } from './scene.ts';

/** Bit 7 of the role (kernel-facts 2.5). */
const DIRECT = 1 << 7;

describe('the fast path (D1)', () => {
  it('gives W back, and R and X that access tracking took', () => {
    const { cpu, check, taken } = sceneOf(installs, nestedMigration);
    const saved = SPTE_AD_DISABLED_HI | (5 << 22);
    check.fastPageFault(cpu, 0, 2, 0x801, 0, 0x803, 0, 4);
    check.fastPageFault(cpu, 0, 2, 0x800, saved, 0x807, SPTE_AD_DISABLED_HI, 4);
    check.fastPageFault(cpu, 0, 2, 0x801, 0, 0x801, 0, 5);
    expect(taken()).toEqual([]);
  });

  it.each([
    ['the frame', 0x801, 0, 0x1803, 0],
    ['MMU-writable', 0x801, 0, 0x803, 1 << 26],
    ['X where nothing was tracked', 0x801, 0, 0x805, 0],
    ['the A/D kind', 0x801, 0, 0x803, SPTE_AD_DISABLED_HI],
  ])('does not change %s', (_what, oldLo, oldHi, lo, hi) => {
    const { cpu, check, taken } = sceneOf(installs, nestedMigration);
    check.fastPageFault(cpu, 0, 2, oldLo, oldHi, lo, hi, 4);
    expect(taken()).toEqual(['D1']);
  });

  it('works on direct pages only', () => {
    const { kvm, cpu, check, taken } = sceneOf(installs, nestedMigration);
    const sptep = hugeLeaf(kvm);
    const role = kvm.header(sptepToSp(kvm, sptep)) + SP.role;
    expect(roleDirect(kvm.w[role]!)).toBe(false);
    kvm.w[role]! |= DIRECT;
    expect(roleDirect(kvm.w[role]!)).toBe(true);
    check.fastFixed(cpu, sptep, 0, 0x803, 0);
    expect(taken()).toEqual([]);
    kvm.w[role]! &= ~DIRECT;
    check.fastFixed(cpu, sptep, 0, 0x803, 0);
    expect(taken()).toEqual(['D1']);
  });
});
