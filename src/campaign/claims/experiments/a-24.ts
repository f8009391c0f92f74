import type { StepCheckFamily } from '../../../check/types.ts';
import { Observer } from '../../../mmu/observer.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** At the end of kvm_zap_gfn_range(), before faults may install anything again, no reverse map in the range has an entry. */
const zappedRange: StepCheckFamily = {
  ids: [],
  make: (kvm, broken) =>
    Object.assign(new Observer(), {
      begin: () => {},
      atEnd: () => {},
      zapRange: (...[cpu, start, end, begin]: Parameters<Observer['zapRange']>) => {
        if (begin) return;
        for (const slot of kvm.slots) {
          const last = Math.min(end, slot.baseGfn + slot.npages);
          for (let gfn = Math.max(start, slot.baseGfn); gfn < last; gfn++) {
            const word = slot.rmapWord(gfn, 1);
            if (kvm.w[word] !== 0) broken(cpu, 'A24', `gfn ${gfn} is still mapped by a 4 KiB page`, [word]);
          }
        }
      },
    }),
};

/** A24: the zap of a range walks upward, and yields. */
export default defineExperiment({
  id: 'A24',
  claim: 'When kvm_zap_gfn_range() returns, nothing in the range is mapped by what was mapped before.',
  facts: ['A24', '3.3', '3.12'],
  control: { variant: 'zap-range-downward', verdict: 'confirmed' },
  async run(lab) {
    const machine = { scenario: 'zap-all', parameters: { castRounds: 8 }, checks: [zappedRange] };
    const found = await lab.hunt({ ...machine, atMost: 600 });
    if (found.failure === undefined) return confirmed(`Nothing was left in ${found.schedules} schedules.`);
    const { failure } = found;
    if (failure.check !== 'A24') return open('The machine fails.', { witnesses: [failure] });
    const downward = await lab.explore({ ...machine, variant: 'zap-range-downward', schedules: 300 });
    if (downward.failure !== undefined)
      return open('It has another cause than the order of the walk.', { witnesses: [downward.failure] });
    return refuted(
      `It walks reverse maps from 4 KiB up. A split during a yield moves a huge page to 4 KiB heads that are behind the walk: ${failure.found} after ` +
        `${found.schedules} schedules. Walked downward, nothing was left in ${downward.schedules}.`,
      { witnesses: [failure] },
    );
  },
});
