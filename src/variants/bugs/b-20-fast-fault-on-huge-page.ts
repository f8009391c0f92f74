import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-20-fast-fault-on-huge-page',
  summary: 'the fast path makes a huge page of a logged slot writable',
  id: 'B-20',
  fix: ['c126d94f2c90'],
  year: 2014,
  wrong:
    'The lockless fault path set W in a huge SPTE of a logged slot and marked one page of it; the others ' +
    'were written without ever being logged.',
  needs: 'A huge page write-protected by enabling and not split yet, and a write by L1.',
  expected: 'D18',
  mayFireFirst: {
    Q42: 'a huge page of a logged slot is writable',
    D6: 'a page was not copied',
  },
  scenario: 'both-mmus',
  parameters: { eager: false },
  apply: () => ({ fastPfMayMakeWritable: () => true }),
});
