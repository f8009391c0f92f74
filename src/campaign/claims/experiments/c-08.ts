import type { StepCheckFamily } from '../../../check/types.ts';
import { isLarge, isShadowPresent, isWritable, sptePfn } from '../../../mmu/format.ts';
import { Observer } from '../../../mmu/observer.ts';
import { roleLevel } from '../../../mmu/role.ts';
import { spRole, sptepOf } from '../../../mmu/shadow-page.ts';
import { defineVariant } from '../../../variants/define.ts';
import { exploreAll } from '../clean.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** Compares the leaves that a reused child holds with the huge SPTE that it is going to replace. */
class KeptLeaves {
  kept = 0;
  narrower = 0;
  readonly family: StepCheckFamily = {
    ids: [],
    make: (kvm, broken) =>
      Object.assign(new Observer(), {
        begin: () => {},
        atEnd: () => {},
        splitChild: (...[cpu, hugeSptep, sp]: Parameters<Observer['splitChild']>) => {
          const { w } = kvm;
          const level = roleLevel(spRole(kvm, sp));
          const [hugeLo, hugeHi] = [w[hugeSptep * 2]!, w[hugeSptep * 2 + 1]!];
          for (let i = 0; i < kvm.entries; i++) {
            const word = sptepOf(kvm, sp, i) * 2;
            const [lo, hi] = [w[word]!, w[word + 1]!];
            if (!isShadowPresent(lo) || (level > 1 && !isLarge(lo))) continue;
            this.kept++;
            if (isWritable(hugeLo) && !isWritable(lo)) this.narrower++;
            if (sptePfn(lo, hi) !== sptePfn(hugeLo, hugeHi) + i * kvm.pages(level))
              broken(cpu, 'C8', `entry ${i} of the reused child maps another frame than the huge page`, [
                word,
              ]);
          }
        },
      }),
  };
}

/** A split that takes the child which the split before it had: of another gfn, with leaves in it. */
const childOfTheLast = defineVariant({
  name: 'split-takes-the-last-child',
  summary: 'a split links the child of the split before it',
  kind: 'idea',
  facts: ['C8', 'B-50'],
  caughtBy: [],
  apply: (base) => {
    const last = new WeakMap<object, number>();
    return {
      getSpForSplit: (pass, hugeSptep) => {
        const sp = last.get(pass) ?? base.getSpForSplit(pass, hugeSptep);
        last.set(pass, sp);
        return sp;
      },
    };
  },
});

/** C8: leaves that a reused child holds translate as the huge SPTE did. */
export default defineExperiment({
  id: 'C8',
  claim:
    'Leaves in a reused child translate as the huge SPTE does, because the child is direct, and can stay.',
  facts: ['9.2', '3.7', 'H-B', 'H-C'],
  control: { variant: childOfTheLast, verdict: 'refuted' },
  async run(lab) {
    const leaves = new KeptLeaves();
    const checks = [leaves.family];
    const { failure, schedules } = await exploreAll(lab, [
      { scenario: 'alias-same-access', checks, schedules: 100 },
      { scenario: 'tiny-descriptors', checks, schedules: 50 },
      {
        scenario: 'alias-same-access',
        parameters: { hostAdBits: false, l1AdBits: false },
        checks,
        schedules: 100,
      },
      { scenario: 'nx-partial-reuse', checks, schedules: 100 },
      { scenario: 'l1-remap', checks, schedules: 100 },
    ]);
    if (failure !== undefined)
      return refuted('A reused leaf is not what the huge page was.', { witnesses: [failure] });
    const figures = {
      'leaves kept': leaves.kept,
      'of them without W where the huge SPTE has it': leaves.narrower,
    };
    if (leaves.kept === 0) return open('No child with leaves was met.', { figures });
    return confirmed(
      `All ${leaves.kept} leaves that were kept in ${schedules} schedules map the same frame. Their permissions may be narrower: H-B and H-C are about that.`,
      { figures },
    );
  },
});
