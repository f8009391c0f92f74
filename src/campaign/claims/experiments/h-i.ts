import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** H-I: an error leaves some aliases split and others huge. */
export default defineExperiment({
  id: 'H-I',
  claim:
    'A split that fails leaves some aliases of a page split and others huge, and dirty logging stays right all the same.',
  facts: ['9.3', '3.4', 'Q43', 'D6'],
  // A split without a limit fails nowhere: then there is nothing to be right about.
  control: { parameters: { mmuPages: 0, allocFailRate: 0 }, verdict: 'open' },
  async run(lab) {
    const limited = await lab.explore({ scenario: 'enospc', schedules: 200 });
    const refusing = await lab.explore({
      scenario: 'alias-mixed-access',
      parameters: { allocFailRate: 0.95 },
      schedules: 200,
    });
    const failure = limited.failure ?? refusing.failure;
    if (failure !== undefined)
      return refuted('Something is lost after a failed split.', { witnesses: [failure] });
    const figures = {
      'ENOSPC per schedule': limited.counters.splitEnospc / limited.schedules,
      'splits per schedule beside them': limited.counters.splitOk / limited.schedules,
      'ENOMEM per schedule': refusing.counters.splitEnomem / refusing.schedules,
    };
    if (limited.counters.splitEnospc + refusing.counters.splitEnomem === 0)
      return open('No split has failed.', { figures });
    return confirmed(
      `Nothing was broken in ${limited.schedules + refusing.schedules} schedules with splits that failed: what stays huge is write-protected, and split by faults.`,
      { figures },
    );
  },
});
