import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-28-root-taken-without-flush',
  summary: 'a vCPU takes a nested root into use and keeps what it had cached under the same tag',
  id: 'B-28',
  year: 2026,
  wrong:
    'The tag of L2 (vpid02) was used again for another life of the root without a flush, and a flush that was pending for it ' +
    'was dropped with a failed entry.',
  needs:
    'L1 takes something away and executes INVEPT; the vCPU loads its root again and goes on with an old translation.',
  expected: 'Q49',
  mayFireFirst: {
    D7: 'a stale translation leads to a frame that has gone',
    D8: 'it leads through a table that has gone',
    Q51: 'likewise',
  },
  facts: ['CVE-2026-89932', 'CVE-2026-89930'],
  scenario: 'l1-remap',
  apply: () => ({ flushOnRootLoad() {} }),
});
