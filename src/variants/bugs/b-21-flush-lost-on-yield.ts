import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-21-flush-lost-on-yield',
  summary: 'a walk of the TDP MMU gives the lock up without the flush it owes',
  id: 'B-21',
  fix: ['a835429cda91'],
  year: 2021,
  wrong:
    'The result of the zapping done so far was lost when the iterator yielded, and the flush for it with ' +
    'it.',
  needs: 'A yield in the middle of an unmap by the notifier.',
  expected: 'D20',
  mayFireFirst: {
    D7: 'the host took a page while a TLB still had it',
    Q49: 'the stale translation is found',
    D8: 'a translation out of a freed table is used',
  },
  scenario: 'page-migration',
  parameters: { l1Vcpus: 1 },
  apply: () => ({ tdpFlushBeforeYield: () => false }),
});
