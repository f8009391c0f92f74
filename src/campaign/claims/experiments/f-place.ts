/**
 * The experiments about the flush places of kernel-facts 9.4: P3 with the place, and without it. Where the smallest machine comes to
 * the place, every schedule with few preemptions is run, and the damage is what counts: a page that the host has taken and a TLB
 * still leads to (D7). The larger machine is searched at random.
 */
import { confirmed, defineExperiment, open, refuted, type Experiment, type Given } from '../define.ts';

export interface Place {
  readonly id: string;
  /** What the design that forgets the place does, in the sentence `A deferred flush must ...`. */
  readonly must: string;
  /** Parameters of tiny-holes with which it comes to the place. */
  readonly tiny: Given;
  /** The larger machine. */
  readonly scenario: string;
  readonly parameters?: Given;
  /** Random schedules of it at effort 1. */
  readonly schedules: number;
}

/** Flushes are counted by D24 against the profile; what matters here is the damage. */
export const WITHOUT_COUNT = ['D24'];
/** What looks at a flush that is owed, before anybody has missed it. */
export const ONLY_DAMAGE = ['D24', 'D20', 'Q35', 'Q49', 'Q50'];
const MOST = 40_000;

export function placeExperiment({ id, must, tiny, scenario, parameters = {}, schedules }: Place): Experiment {
  const machine = { scenario: 'tiny-holes', parameters: tiny, atMost: MOST };
  return defineExperiment({
    id,
    claim: `A deferred flush must ${must}.`,
    facts: ['9.4', 'C6'],
    // Every link flushes: then no debt is ever carried, and the place does not matter.
    control: { variant: 'p2', verdict: 'refuted' },
    async run(lab) {
      const variant = `p3-without-${id.toLowerCase()}`;
      const lost = await lab.prove({ ...machine, variant, without: ONLY_DAMAGE, preemptions: 2 });
      if (lost.failure === undefined && !lost.complete)
        return open('The small machine was not searched to its end.');
      if (lost.failure === undefined)
        return refuted(
          `Forgetting the place broke nothing in all ${lost.schedules} schedules with two preemptions.`,
        );
      const kept = await lab.prove({ ...machine, variant: 'p3', without: WITHOUT_COUNT, preemptions: 2 });
      const large = await lab.explore({
        scenario,
        parameters,
        variant: 'p3',
        without: WITHOUT_COUNT,
        schedules,
      });
      const failure = kept.failure ?? large.failure;
      if (failure !== undefined)
        return refuted('P3 breaks although it flushes there.', { witnesses: [failure] });
      if (!kept.complete) return open('The small machine was not searched to its end.');
      return confirmed(
        `In the smallest machine P3 that forgets it breaks ${lost.failure.check}, by ${lost.failure.preemptions} preemption; P3 itself breaks nothing in ` +
          `all ${kept.schedules} schedules with two (C6: three), and broke nothing in ${large.schedules} random ones of ${scenario}.`,
        { witnesses: [lost.failure] },
      );
    },
  });
}
