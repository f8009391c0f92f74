import { exploreAll } from '../clean.ts';
import { confirmed, defineExperiment, refuted } from '../define.ts';

/** H-B: a reused leaf that is narrower than the huge SPTE, and no flush. */
export default defineExperiment({
  id: 'H-B',
  claim:
    'A reused leaf from the time when the host page was read-only hides a writable TLB entry from who shadows that page.',
  facts: ['9.3', '3.7', '5.6', 'D10'],
  control: { variant: 'p2', verdict: 'refuted' },
  async run(lab) {
    const machine = { scenario: 'narrow-reuse', without: ['D24'] };
    const variant = 'host-pages-read-only-at-first';
    const seen = await lab.hunt({ ...machine, variant, atMost: 2000 });
    // What a TLB holds is broken first; the write to a shadowed table is what comes of it.
    const written = await lab.hunt({ ...machine, variant, without: ['D24', 'Q49'], atMost: 2000 });
    if (seen.failure === undefined || written.failure === undefined)
      return refuted(`No shadowed table could be written in ${written.schedules} schedules.`);
    const others = await exploreAll(lab, [
      { ...machine, schedules: 150 },
      { ...machine, variant: `p2+${variant}`, schedules: 150 },
    ]);
    if (others.failure !== undefined)
      return refuted('Something else is broken in this machine.', { witnesses: [others.failure] });
    return confirmed(
      `P1 keeps a TLB entry with W over a leaf without W and MMU-writable (${seen.failure.check} after ${seen.schedules} schedules), and a vCPU can then write ` +
        `a table that has just been shadowed (${written.failure.check} after ${written.schedules}). P2, and P1 with writable host pages, broke nothing in ${others.schedules}.`,
      { witnesses: [seen.failure, written.failure] },
    );
  },
});
