import { describe, expect, it } from 'vitest';
import { pageLives } from '../../src/check/steps-pages.ts';
import { SPTE_AD_DISABLED_HI, SPTE_MMU_PRESENT } from '../../src/mmu/format.ts';
import { ROLE_INVALID } from '../../src/mmu/role.ts';
import { SP, spPut, spRole, spRootCount, sptepOf } from '../../src/mmu/shadow-page.ts';
import { buildMachine } from '../../src/scenario/build.ts';
import { activePages, Bench, identity, machineOf } from '../support/machines.ts';
import rootInRoot from '../../scenarios/root-in-root.ts';

function scene() {
  const { kvm, cpu } = new Bench(machineOf(identity(2), { backing: '2m' }));
  const found: string[] = [];
  const check = pageLives.make(kvm, (_cpu, id) => found.push(id));
  check.begin(kvm);
  const root = activePages(kvm).find((sp) => spRootCount(kvm, sp) > 0)!;
  const other = activePages(kvm).find((sp) => spRootCount(kvm, sp) === 0)!;
  return { kvm, cpu, check, root, other, taken: (): string[] => found.splice(0) };
}

describe('the life of a shadow page', () => {
  it('a page that is made invalid breaks Q1; a valid one, or one that was found, does not', () => {
    const { kvm, cpu, check, other, taken } = scene();
    check.getPage(cpu, other, true);
    expect(taken()).toEqual([]);
    spPut(kvm, other, SP.role, spRole(kvm, other) | ROLE_INVALID);
    check.getPage(cpu, other, false);
    expect(taken()).toEqual([]);
    check.getPage(cpu, other, true);
    expect(taken()).toEqual(['Q1']);
  });

  it('a root that goes with its last parent breaks Q16; a page that is no root does not', () => {
    const { cpu, check, root, other, taken } = scene();
    check.orphanZapped(cpu, other);
    expect(taken()).toEqual([]);
    check.orphanZapped(cpu, root);
    expect(taken()).toEqual(['Q16']);
  });

  it('a split below a page that was zapped breaks D23', () => {
    const { kvm, cpu, check, root, other, taken } = scene();
    check.splitChild(cpu, sptepOf(kvm, other, 0), root);
    expect(taken()).toEqual([]);
    spPut(kvm, other, SP.role, spRole(kvm, other) | ROLE_INVALID);
    check.splitChild(cpu, sptepOf(kvm, other, 0), root);
    expect(taken()).toEqual(['D23']);
  });

  it('an entry that stays present without any permission breaks Q30, unless it is access-tracked', () => {
    const { kvm, cpu, check, other, taken } = scene();
    const sptep = sptepOf(kvm, other, 0);
    const present = SPTE_MMU_PRESENT;
    check.spteChanged(cpu, sptep, present | 7, 0, present | 1, 0);
    check.spteChanged(cpu, sptep, present | 7, SPTE_AD_DISABLED_HI, present, SPTE_AD_DISABLED_HI);
    check.spteChanged(cpu, sptep, present | 7, 0, 0, 0);
    expect(taken()).toEqual([]);
    check.spteChanged(cpu, sptep, present | 7, 0, present, 0);
    expect(taken()).toEqual(['Q30']);
  });
});

describe('a root within another', () => {
  it('is one shadow page: child of the outer root, and root of its own', () => {
    const { kvm } = new Bench(buildMachine(rootInRoot, 'explore'));
    const inner = activePages(kvm).filter((sp) => spRootCount(kvm, sp) > 0);
    const parents = inner.map((sp) => kvm.w[kvm.header(sp) + SP.parentPtes] !== 0);
    expect([parents.length, parents.filter(Boolean).length]).toEqual([2, 1]);
  });
});
