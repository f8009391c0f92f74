import type { StepCheckFamily } from '../../../check/types.ts';
import { tlbCursor } from '../../../check/tlb-cursor.ts';
import { sptePfn } from '../../../mmu/format.ts';
import { Observer } from '../../../mmu/observer.ts';
import { roleLevel } from '../../../mmu/role.ts';
import { spRole } from '../../../mmu/shadow-page.ts';
import { TLB_X } from '../../../mmu/tlb.ts';
import { proveAll } from '../clean.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/**
 * From the link of a child until the next flush: the time in which a processor that still has the huge translation may fill a
 * small one beside it (kernel-facts 9.5). A flush that comes between drop and link leaves no such time.
 */
class Exposure {
  windows = 0;
  steps = 0;
  readonly family: StepCheckFamily = {
    ids: [],
    make: (kvm) => {
      const since: number[] = [];
      const cursor = tlbCursor(kvm);
      return Object.assign(new Observer(), {
        begin: () => {
          since.length = 0;
        },
        atEnd: () => {},
        splitLinked: (...[cpu, , sp, lo, hi]: Parameters<Observer['splitLinked']>) => {
          const level = roleLevel(spRole(kvm, sp)) + 1;
          cursor.begin();
          while (cursor.next(TLB_X)) {
            if (cursor.level !== level || cursor.pfn !== sptePfn(lo, hi)) continue;
            this.windows++;
            since.push(cpu.now());
          }
        },
        flush: (...[cpu]: Parameters<Observer['flush']>) => {
          for (const begin of since) this.steps += cpu.now() - begin;
          since.length = 0;
        },
      });
    },
  };
}

/** C9: an early flush shortens the exposure to iTLB multihit. */
export default defineExperiment({
  id: 'C9',
  claim:
    'Flushing each split at once leaves no time in which a CPU may hold two sizes of one executable page (iTLB multihit).',
  facts: ['9.2', '9.5', 'D9'],
  control: { variant: 'p4', verdict: 'refuted' },
  async run(lab) {
    const figures: Record<string, number> = {};
    const parameters = { execFraction: 0.5, vcpus: 3, backing: '2m', memory: '64K', rounds: 0 };
    const machine = { scenario: 'nested-migration', parameters, without: ['D24'], schedules: 60 };
    const windows: Record<string, number> = {};
    for (const variant of ['p0', 'p1', 'p2', 'p3', 'p4']) {
      const exposure = new Exposure();
      const { failure, schedules } = await lab.explore({ ...machine, variant, checks: [exposure.family] });
      if (failure !== undefined) return open(`A check is broken under ${variant}.`, { witnesses: [failure] });
      windows[variant] = exposure.windows;
      figures[`${variant}: windows per schedule`] = exposure.windows / schedules;
      figures[`${variant}: steps of a window`] =
        exposure.windows === 0 ? 0 : exposure.steps / exposure.windows;
    }
    const exact = new Exposure();
    const atOnce = await proveAll(
      lab,
      ['p0', 'p2'].map((variant) => ({
        scenario: 'tiny-split',
        parameters: { execFraction: 1, writeFraction: 0 },
        variant,
        without: ['D24'],
        checks: [exact.family],
        preemptions: 2,
      })),
    );
    if (atOnce.failure !== undefined)
      return open('A check is broken in the smallest machine.', { witnesses: [atOnce.failure] });
    if (!atOnce.complete) return open('The small machine was not searched to its end.', { figures });
    figures['p0 and p2, smallest machine: windows'] = exact.windows;
    const exposure = new Exposure();
    const mitigated = { ...machine, parameters: { ...parameters, nx: true }, checks: [exposure.family] };
    const { failure } = await lab.explore(mitigated);
    if (failure !== undefined) return open('The mitigation breaks a check.', { witnesses: [failure] });
    figures['p1 with the mitigation: windows'] = exposure.windows;
    if (windows['p0']! + windows['p2']! + exact.windows + exposure.windows > 0)
      return refuted('There is such a time even so.', { figures });
    if (windows['p1'] === 0)
      return open('No processor had a huge translation when its page was split.', { figures });
    return confirmed(
      `P0 and P2 flush before they link: no window, in all of ${atOnce.text} with one fetch and at random. ` +
        'P1 and P4 leave it open until the flush at the end of the ioctl, P3 until the lock is ' +
        'dropped. With the mitigation no huge translation is executable. A window is a vCPU with a huge executable translation of a page just split.',
      { figures },
    );
  },
});
