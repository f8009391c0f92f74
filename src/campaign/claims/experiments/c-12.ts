import type { StepCheckFamily } from '../../../check/types.ts';
import { Observer } from '../../../mmu/observer.ts';
import { roleDirect } from '../../../mmu/role.ts';
import { spRole } from '../../../mmu/shadow-page.ts';
import { defineVariant } from '../../../variants/define.ts';
import { exploreAll, proveAll } from '../clean.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** What a split looks up or makes must be direct: only indirect pages are synced, which takes a vCPU. */
class Children {
  direct = 0;
  readonly family: StepCheckFamily = {
    ids: [],
    make: (kvm, broken) => {
      const inside = new Set<number>();
      return Object.assign(new Observer(), {
        begin: () => inside.clear(),
        atEnd: () => {},
        splitBegin: (...[cpu]: Parameters<Observer['splitBegin']>) => {
          inside.add(cpu.actor);
        },
        splitAttempt: (...[cpu]: Parameters<Observer['splitAttempt']>) => {
          inside.delete(cpu.actor);
        },
        getPage: (...[cpu, sp]: Parameters<Observer['getPage']>) => {
          if (!inside.has(cpu.actor)) return;
          if (roleDirect(spRole(kvm, sp))) this.direct++;
          else
            broken(cpu, 'C12', `a split looks for a page that is not direct, without a vCPU to sync it`, []);
        },
      });
    },
  };
}

const indirect = defineVariant({
  name: 'split-children-are-indirect',
  summary: 'the child of a split keeps the direct bit of its parent',
  kind: 'idea',
  facts: ['C12'],
  caughtBy: [],
  apply: (base) => ({
    splitChildRole: (kvm, parentRole, access) => base.childRole(parentRole, roleDirect(parentRole), access),
  }),
});

/** C12: a split uses only direct pages and needs no vCPU. */
export default defineExperiment({
  id: 'C12',
  claim: 'A split makes and finds only direct pages, so that nothing has to be synced and no vCPU is needed.',
  facts: ['9.2', '3.8'],
  control: { variant: indirect, verdict: 'refuted' },
  async run(lab) {
    const children = new Children();
    const checks = [children.family];
    // The split of tiny-unsync meets an indirect page of the gfn that it looks for.
    const exact = await proveAll(lab, [
      { scenario: 'tiny-split', checks, preemptions: 2 },
      { scenario: 'tiny-unsync', checks, preemptions: 2 },
    ]);
    if (exact.failure !== undefined)
      return refuted('A split meets a page that is not direct.', { witnesses: [exact.failure] });
    if (!exact.complete) return open('The small machines were not searched to their end.');
    const { failure, schedules } = await exploreAll(lab, [
      { scenario: 'nested-migration', checks, schedules: 100 },
      { scenario: 'l1-remap', checks, schedules: 150 },
      { scenario: 'nx-partial-reuse', checks, schedules: 100 },
    ]);
    if (failure !== undefined)
      return refuted('A split meets a page that is not direct.', { witnesses: [failure] });
    const figures = { 'children looked up': children.direct };
    if (children.direct === 0) return open('Nothing was split.', { figures });
    return confirmed(
      `All ${children.direct} children were direct, in all of ${exact.text} and in ${schedules} random schedules, among them those in machines where L1 edits its tables and pages go ` +
        'out of sync. An unsync page of the same gfn may be zapped on the way, which takes no vCPU either.',
      { figures },
    );
  },
});
