import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-45-mmio-over-present',
  summary: 'an MMIO SPTE overwrites a present leaf that stays in its reverse map',
  id: 'B-45',
  fix: ['aad885e77496', 'df8374607577'],
  year: 2026,
  wrong:
    'mark_mmio_spte() stored its value over a present leaf without dropping it, so that the reverse map ' +
    'went on naming an entry that maps nothing.',
  needs:
    'An entry of L1 in an unsync table that comes to name no memslot, and a fault on the old SPTE before anybody syncs.',
  expected: 'Q23',
  mayFireFirst: {
    Q49: 'nobody flushed either, so a TLB still translates what is MMIO now',
    Q20: 'a reverse map names an entry that maps nothing',
    Q36: 'the statistics count a leaf that has gone',
    Q40: 'a reverse map of a deleted slot is not empty',
    D5: 'a present leaf is overwritten',
  },
  facts: ['CVE-2026-23401', 'mmioOverPresent'],
  scenario: 'unsync-tables',
  apply: () => ({
    *mmioOverPresent() {
      return false;
    },
  }),
});
