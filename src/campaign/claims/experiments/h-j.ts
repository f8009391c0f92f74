import type { StepCheckFamily } from '../../../check/types.ts';
import { Observer } from '../../../mmu/observer.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** Counts the huge pages that faults map after logging was turned off. */
class HugeAfterOff {
  mapped = 0;
  small = 0;
  readonly family: StepCheckFamily = {
    ids: [],
    make: () => {
      let off = false;
      return Object.assign(new Observer(), {
        begin: () => {
          off = false;
        },
        atEnd: () => {},
        zapCollapsible: () => {
          off = true;
        },
        slotSplit: () => {
          off = false;
        },
        spteSet: (...[, , , level]: Parameters<Observer['spteSet']>) => {
          if (!off) return;
          if (level > 1) this.mapped++;
          else this.small++;
        },
      });
    },
  };
}

/** H-J: tables of eager splits are taken for tables made because of NX. */
export default defineExperiment({
  id: 'H-J',
  claim:
    'With the NX mitigation kernels before 6.2 take the tables of eager splits for NX splits, and map nothing huge again.',
  facts: ['9.3', '76901e56fb51', 'B-43'],
  control: { variant: 'nx-6.2', verdict: 'refuted' },
  async run(lab) {
    const machine = { scenario: 'log-cycle', parameters: { nx: true } };
    const before = new HugeAfterOff();
    const after = new HugeAfterOff();
    const old = await lab.explore({ ...machine, checks: [before.family], schedules: 150 });
    const fixed = await lab.explore({
      ...machine,
      variant: 'nx-6.2',
      checks: [after.family],
      schedules: 150,
    });
    const failure = old.failure ?? fixed.failure;
    if (failure !== undefined) return open('The machine fails.', { witnesses: [failure] });
    const figures = {
      'huge pages mapped after log-off, per 100 schedules': (100 * before.mapped) / old.schedules,
      'small ones': (100 * before.small) / old.schedules,
      'huge pages with 6.2': (100 * after.mapped) / fixed.schedules,
      'small ones with 6.2': (100 * after.small) / fixed.schedules,
    };
    if (after.mapped === 0) return open('With 6.2 nothing huge came back either.', { figures });
    if (before.mapped >= after.mapped)
      return refuted('Huge pages come back in 6.1 as they do in 6.2.', { figures });
    return confirmed(
      'After logging is off, the tables that stay linked keep faults from mapping huge pages in 6.1; not so in 6.2.',
      {
        figures,
      },
    );
  },
});
