import { confirmed, defineExperiment, refuted } from '../define.ts';

const PROFILES = ['p0', 'p1', 'p2', 'p3', 'p4'] as const;

/** C9: an early flush shortens the exposure to iTLB multihit. */
export default defineExperiment({
  id: 'C9',
  claim:
    'Flushing at once keeps a CPU from holding two sizes of one executable page (iTLB multihit) for longer than it must.',
  facts: ['9.2', '9.5', 'D9'],
  control: { variant: 'p4', verdict: 'refuted' },
  async run(lab) {
    const figures: Record<string, number> = {};
    const machine = {
      scenario: 'nested-migration',
      parameters: { execFraction: 0.9, vcpus: 3, backing: '2m', memory: '64K' },
    };
    const seen: Record<string, number> = {};
    for (const variant of PROFILES) {
      const { failure, schedules, counters } = await lab.explore({
        ...machine,
        variant,
        without: ['D24'],
        schedules: 150,
      });
      if (failure !== undefined)
        return refuted(`A check is broken under ${variant}.`, { witnesses: [failure] });
      seen[variant] = counters.multihits;
      figures[`${variant}: multihits per 100 schedules`] = (100 * counters.multihits) / schedules;
      figures[`${variant}: steps exposed per 100 schedules`] = (100 * counters.multihitSteps) / schedules;
    }
    const mitigated = await lab.explore({
      ...machine,
      parameters: { ...machine.parameters, nx: true },
      without: ['D24'],
      schedules: 100,
    });
    figures['p1 with the mitigation'] = mitigated.counters.multihits;
    if (mitigated.failure !== undefined || mitigated.counters.multihits > 0)
      return refuted('The mitigation does not keep it away.', { figures, witnesses: [mitigated.failure] });
    if (seen['p0']! + seen['p2']! > 0 || seen['p4'] === 0)
      return refuted('A flush of every split makes no difference to the exposure.', { figures });
    return confirmed(
      'P0 and P2, which flush every split before they link its child, never expose a vCPU; P4 does, P1 as much where it does not flush, ' +
        'and P3 until it drops the lock. With the mitigation nobody is exposed.',
      { figures },
    );
  },
});
