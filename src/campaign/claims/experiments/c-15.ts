import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** C15 (cover letter): splitting moves cost from the faults to the ioctl; with writes alone little is gained. */
export default defineExperiment({
  id: 'C15',
  claim:
    'Eager splitting moves work from the faults of vCPUs to the ioctl, and gains little if they write everywhere.',
  facts: ['9.2', '8.2'],
  control: { parameters: { eager: false }, verdict: 'refuted' },
  async run(lab) {
    const figures: Record<string, number> = {};
    const faults = new Map<string, number>();
    for (const writeFraction of [1, 0.05]) {
      for (const eager of [true, false]) {
        const result = await lab.measure({
          scenario: 'tiny-split',
          parameters: { memory: '256K', tableBits: 3, eager, writeFraction, ops: 400, burst: 50, vcpus: 2 },
          schedules: 6,
        });
        if (result.failure !== undefined) return open('The machine fails.', { witnesses: [result.failure] });
        const name = `${writeFraction * 100} % writes, eager ${eager ? 'Y' : 'N'}`;
        const held = result.lock('mmu_lock-W').held / result.schedules;
        const heldByGuests = result.lock('mmu_lock-W', 'l2-vcpu').held / result.schedules;
        faults.set(name, result.counters.faults / result.schedules);
        figures[`${name}: faults`] = result.counters.faults / result.schedules;
        figures[`${name}: steps vCPUs hold mmu_lock`] = heldByGuests;
        figures[`${name}: steps the ioctl holds it`] = held - heldByGuests;
      }
    }
    const gain = (percent: number): number =>
      faults.get(`${percent} % writes, eager N`)! / Math.max(1, faults.get(`${percent} % writes, eager Y`)!);
    figures['faults saved, times: 5 % writes'] = gain(5);
    figures['faults saved, times: 100 % writes'] = gain(100);
    if (gain(5) < 1.5 || gain(5) < 1.2 * gain(100))
      return refuted('Sparse writes gain no more from eager splitting than dense ones.', { figures });
    return confirmed(
      'Each 4 KiB page takes its write-protection fault either way; what is saved are the faults of pages that are only read, because no ' +
        'fault zaps a huge page under them. Per schedule, in tables of 8 entries.',
      { figures },
    );
  },
});
