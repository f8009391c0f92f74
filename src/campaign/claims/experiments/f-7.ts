import { defineVariant, type Variant } from '../../../variants/define.ts';
import { deferredFlush } from '../../../variants/profiles/deferred-flush.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';
import { ONLY_DAMAGE, WITHOUT_COUNT } from './f-place.ts';

/** Counts how often a pass that owes a flush comes to F7. */
const counting = (seen: { met: number }): Variant =>
  defineVariant({
    name: 'counts-f7',
    summary: 'counts the unsync pages that are zapped by a split while a flush is owed',
    kind: 'idea',
    facts: ['9.4'],
    caughtBy: [],
    apply: (base) => ({
      settleDebt: (pass, place) => {
        if (place === 'F7') seen.met++;
        return base.settleDebt(pass, place);
      },
    }),
  });

/** P3 that strikes the debt off at F7, where nothing was flushed: the page in the way stays as it is. */
const settlesForNothing = defineVariant({
  name: 'p3-settles-without-a-flush',
  summary: 'P3 that takes the debt for settled when a split meets an unsync page, and leaves the page alone',
  kind: 'idea',
  facts: ['9.4'],
  caughtBy: [],
  apply: (base) => ({
    ...deferredFlush(),
    getSpForSplit: (pass, hugeSptep) => {
      const sp = base.getSpForSplit(pass, hugeSptep);
      if (pass.unsyncHits.splice(0).length > 0) pass.owes = false;
      return sp;
    },
  }),
});

/** F7: somebody else's full flush. */
export default defineExperiment({
  id: 'F7',
  claim:
    'A deferred flush is settled by the flush of an unsync page that the split zaps; to forget that costs, and breaks nothing.',
  facts: ['9.4', '3.8'],
  // No page goes out of sync, so that no split meets one.
  control: { parameters: { unsync: false }, verdict: 'open' },
  async run(lab) {
    const seen = { met: 0 };
    // The split at hand owes anew, so that a full flush that comes later would cover a debt that was struck off by mistake.
    const ranges = { flushBackend: 'range-l2' };
    const machine = { scenario: 'tiny-unsync', atMost: 40_000 };
    const clean = [];
    for (const variant of [['p3'], ['p3-without-f7', counting(seen)]])
      for (const taken of [1, 2])
        clean.push(
          await lab.prove({
            ...machine,
            parameters: { ...ranges, taken },
            variant,
            without: WITHOUT_COUNT,
            preemptions: 2,
          }),
        );
    const failure = clean.find((search) => search.failure !== undefined)?.failure;
    if (failure !== undefined) return refuted('Something is missed.', { witnesses: [failure] });
    const figures = { 'times it was met': seen.met };
    if (seen.met === 0) return open('No split met an unsync page while it owed a flush.', { figures });
    if (clean.some(({ complete }) => !complete))
      return open('The small machine was not searched to its end.', { figures });

    const nothing = await lab.prove({
      ...machine,
      parameters: { ...ranges, taken: 1 },
      variant: [settlesForNothing],
      without: ONLY_DAMAGE,
      preemptions: 2,
    });
    if (nothing.failure === undefined)
      return open('A debt that was struck off without a flush is not missed in this machine.', { figures });
    const schedules = clean.reduce((sum, search) => sum + search.schedules, 0);
    return confirmed(
      `Two splits, of which the second meets an unsync page, and ranges that are flushed: P3, with the place and without, breaks nothing in all ${schedules} ` +
        `schedules with two preemptions. Were the debt struck off without that flush, ${nothing.failure.check} would be broken (${nothing.failure.preemptions} ` +
        'preemption). Where every flush is full the split at hand makes up for it at the next place.',
      { figures, witnesses: [nothing.failure] },
    );
  },
});
