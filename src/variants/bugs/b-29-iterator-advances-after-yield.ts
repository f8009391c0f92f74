import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-29-iterator-advances-after-yield',
  summary: 'a TDP walk that yielded passes over the entry it stood at',
  id: 'B-29',
  fix: ['3a0f64de479c'],
  year: 2022,
  wrong:
    'After a yield the iterator started over from the root at its gfn, and the loop then advanced once ' +
    'more: the entry it had come to was never looked at.',
  needs: 'A yield of the TDP split just before a huge page.',
  expected: 'Q43',
  mayFireFirst: {
    Q42: 'a huge page of a logged slot is writable',
    D11: 'a page that was passed over can be written without being logged',
    Q44: 'a page that was passed over is writable and not logged',
    D7: 'the notifier passed over a page',
    D6: 'a page was not copied',
  },
  facts: ['advanceAfterYield'],
  scenario: 'both-mmus',
  parameters: { memory: '128K', rootLevel: 4, l1Vcpus: 2 },
  apply: () => ({
    *tdpIterAfterYield(iter, cpu) {
      yield* iter.restart(cpu);
    },
  }),
});
