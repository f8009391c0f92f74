import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-17-direct-child-flush-of-one-page',
  summary: 'unlinking a direct table flushes one page of it',
  id: 'B-17',
  fix: ['3cdf93746f9a'],
  year: 2023,
  wrong: 'validate_direct_spte() unlinked a table of a whole huge page and flushed a single page at its gfn.',
  needs:
    'L1 changes the permissions of a huge entry under which a table is linked, and a flush backend that ' +
    'takes ranges.',
  expected: 'Q49',
  mayFireFirst: {
    D7: 'the host took a page while a TLB still had it',
    Q51: 'a walk cache names the unlinked table',
  },
  scenario: 'l1-remap',
  parameters: { flushBackend: 'range-l2' },
  apply: () => ({ directChildFlushPages: () => 1 }),
});
