/** The experiments about the flush places of kernel-facts 9.4: P3 with the place, and without it. */
import { confirmed, defineExperiment, refuted, type Experiment, type Given } from '../define.ts';

export interface Place {
  readonly id: string;
  /** What the design that forgets the place does, in the sentence `A deferred flush must ...`. */
  readonly must: string;
  /** The machine in which it shows. */
  readonly scenario: string;
  readonly parameters?: Given;
  /** Schedules at effort 1. */
  readonly schedules: number;
}

/** Flushes are counted by D24 against the profile; what matters here is the damage. */
const WITHOUT = ['D24'];

export function placeExperiment({ id, must, scenario, parameters = {}, schedules }: Place): Experiment {
  const machine = { scenario, parameters, without: WITHOUT };
  return defineExperiment({
    id,
    claim: `A deferred flush must ${must}.`,
    facts: ['9.4', 'C6'],
    // Every link flushes: then no debt is ever carried, and the place does not matter.
    control: { variant: 'p2', verdict: 'refuted' },
    async run(lab) {
      const lost = await lab.hunt({ ...machine, variant: `p3-without-${id.toLowerCase()}`, atMost: 5000 });
      if (lost.failure === undefined)
        return refuted(`Forgetting the place broke nothing in ${lost.schedules} schedules.`);
      const kept = await lab.explore({ ...machine, variant: 'p3', schedules });
      if (kept.failure !== undefined)
        return refuted('P3 breaks although it flushes there.', { witnesses: [kept.failure] });
      return confirmed(
        `P3 that forgets it breaks ${lost.failure.check} after ${lost.schedules} schedules; P3 itself broke nothing in ${kept.schedules}.`,
        { witnesses: [lost.failure] },
      );
    },
  });
}
