import { defineVariant } from '../../../variants/define.ts';
import { confirmed, defineExperiment, measured, open } from '../define.ts';

const tdpFirst = defineVariant({
  name: 'tdp-first',
  summary: 'the TDP MMU is split before the shadow MMU, as in the fourth posting',
  kind: 'idea',
  facts: ['C13'],
  caughtBy: [],
  apply: () => ({ splitsTdpFirst: true }),
});

/** C13: the reverse maps are split before the TDP MMU. */
export default defineExperiment({
  id: 'C13',
  claim: 'Splitting the shadow MMU before the TDP MMU is needed.',
  facts: ['9.2', '3.1'],
  control: { variant: 'link-before-fill', verdict: 'open' },
  async run(lab) {
    const machine = { scenario: 'both-mmus', parameters: { vcpus: 2 }, schedules: 150 };
    const figures: Record<string, number> = {};
    for (const [name, variant] of [
      ['rmaps first', []],
      ['TDP first', [tdpFirst]],
    ] as const) {
      const result = await lab.measure({ ...machine, variant });
      if (result.failure !== undefined && name === 'TDP first')
        return confirmed('The other order breaks a check.', { witnesses: [result.failure] });
      if (result.failure !== undefined) return open('The machine fails.', { witnesses: [result.failure] });
      const write = result.lock('mmu_lock-W', 'migration');
      figures[`${name}: faults of L2`] = result.counters.faults / result.schedules;
      figures[`${name}: steps the splitter holds mmu_lock for write`] = write.held / result.schedules;
      figures[`${name}: longest hold`] = write.longest;
      figures[`${name}: contended acquisitions`] = result.lock('mmu_lock-W').contentions / result.schedules;
    }
    return measured(
      'Not for correctness: neither order broke a check. The figures, per schedule, are those of the locks in the same machine.',
      { figures },
    );
  },
});
