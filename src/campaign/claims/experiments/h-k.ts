import { confirmed, defineExperiment, refuted } from '../define.ts';

/** H-K: ranges of flushes name gfns of L1, and TLB entries of L2 carry addresses of L2. */
export default defineExperiment({
  id: 'H-K',
  claim:
    'A backend that compares the L1 gfns of a range flush with the L2 addresses in TLBs leaves stale entries behind.',
  facts: ['9.3', '5.5', 'B-14'],
  control: { parameters: { flushBackend: 'full' }, verdict: 'refuted' },
  async run(lab) {
    const machine = { scenario: 'range-flush', without: ['D24'] };
    const wrong = await lab.hunt({ ...machine, parameters: { flushBackend: 'range-l1' }, atMost: 2000 });
    if (wrong.failure === undefined) return refuted(`Nothing went stale in ${wrong.schedules} schedules.`);
    const right = await lab.explore({ ...machine, parameters: { flushBackend: 'range-l2' }, schedules: 200 });
    if (right.failure !== undefined)
      return refuted('Ranges go wrong whatever they are compared with.', { witnesses: [right.failure] });
    return confirmed(
      `Compared with the address in the TLB, ranges break ${wrong.failure.check} after ${wrong.schedules} schedules; compared with the L1 gfn behind it ` +
        `they broke nothing in ${right.schedules}. What Hyper-V does is not known: a range is sound for L2 only if it maps L1 to itself.`,
      { witnesses: [wrong.failure] },
    );
  },
});
