import type { Steps } from '../../cpu/steps.ts';
import type { Engine } from '../../mmu/engine.ts';
import { EEXIST } from '../../mmu/errno.ts';
import { roleAccess, roleLevel } from '../../mmu/role.ts';
import { updatePageStats } from '../../mmu/rmap.ts';
import { findShadowPage, spGfn, spRole, spTable } from '../../mmu/shadow-page.ts';
import type { SplitPass } from '../../mmu/shadow/split-pass.ts';
import { splitChildIdentity } from '../../mmu/shadow/split-steps.ts';
import { defineVariant } from '../define.ts';
import { payDebt } from './deferred-flush.ts';

/** A child that exists belongs to somebody else: the page stays huge, and faults split it. */
function skipsExistingChild(base: Engine): Engine['getSpForSplit'] {
  return (pass, hugeSptep) => {
    const { gfn, role } = splitChildIdentity(pass.kvm, hugeSptep);
    return findShadowPage(pass.kvm, gfn, role) === 0 ? base.getSpForSplit(pass, hugeSptep) : 0;
  };
}

/** Fills only the entries whose reverse map is empty; a second entry would take a descriptor, so it stays non-present. */
function fillWithoutDescriptors(pass: SplitPass, sp: number, from: number): number {
  const { kvm, cpu } = pass;
  const { w, entries } = kvm;
  const role = spRole(kvm, sp);
  const level = roleLevel(role);
  kvm.engine.makeHugePageSplitSpte(kvm, cpu, pass.hugeLo, pass.hugeHi, level, roleAccess(role));
  const { lo, hi } = cpu;
  const step = kvm.pages(level) << 12;
  const sptep = kvm.tablesQ + (spTable(kvm, sp) << kvm.tableBits);
  const head = pass.slot.rmapWord(spGfn(kvm, sp), level);
  kvm.arena.touchRange(sptep * 2, entries * 2);
  kvm.arena.touchRange(head, entries);
  let filled = 0;
  for (let i = from; i < entries; i++) {
    if (w[head + i] !== 0) continue;
    w[(sptep + i) * 2] = lo | (i * step);
    w[(sptep + i) * 2 + 1] = hi;
    w[head + i] = (sptep + i) << 1;
    filled++;
  }
  updatePageStats(kvm, level, filled);
  return entries;
}

/** F1 to F4 of kernel-facts 9.4 flush; F5 and F6 carry the debt on; the full flush of F7 settles it. */
function* settle(pass: SplitPass, place: string): Steps<void> {
  if (place === 'F7') pass.owes = false;
  else if (['F1', 'F2', 'F3', 'F4'].includes(place)) yield* payDebt(pass);
}

/**
 * The design that Google ran before the series (kernel-facts 9.1, last row): a page whose child exists is not split, a
 * child is left non-present where an alias has mapped the gfn already, and the flush is made before `mmu_lock` is dropped.
 * It needs no descriptors, and eager splitting is not complete: aliases are left to faults.
 */
export default defineVariant({
  name: 'ancestor-2016',
  summary:
    'the ancestor of the series: skips reused children, leaves aliased entries non-present, flushes late',
  kind: 'profile',
  facts: ['9.1', '9.4', 'C6', 'C11'],
  caughtBy: [],
  apply: (base): Partial<Engine> => ({
    profile: 'ancestor',
    getSpForSplit: skipsExistingChild(base),
    fillSplitChild: fillWithoutDescriptors,
    afterAttempt: (result) => (result === EEXIST ? 'next' : base.afterAttempt(result)),
    splitNeedsFlush: () => false,
    splitLinked: (pass) => {
      pass.owe();
      return undefined;
    },
    settleDebt: settle,
  }),
});
