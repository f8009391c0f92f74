import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-03-conditional-enable-flush',
  summary: 'enabling the log flushes only if write protection changed something',
  id: 'B-03',
  fix: ['b64d740ea7dd'],
  year: 2022,
  wrong:
    'The flush at the end of enabling was left out when no entry lost W. An access-tracked entry has no W ' +
    'to lose, and TLBs may still hold W=1 from before it was aged.',
  needs: 'A host without A and D bits, aging without a flush, then logging turned on.',
  expected: 'D11',
  mayFireFirst: {
    D6: 'the write through the stale entry was not copied',
    Q46: 'the write through the stale entry is in no log',
    Q49: 'the stale entry is found before anybody uses it',
  },
  scenario: 'aging',
  parameters: { hostAdBits: false, l1AdBits: false },
  apply: () => ({ flushAfterEnable: (changed) => changed }),
});
