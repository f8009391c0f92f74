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
  needs: 'A gfn that turns into MMIO while an SPTE maps it.',
  expected: 'Q20',
  mayFireFirst: {
    Q23: 'an MMIO SPTE is in a reverse map',
    Q36: 'the statistics count a leaf that has gone',
    Q40: 'a reverse map of a deleted slot is not empty',
    D5: 'a present leaf is overwritten',
  },
  facts: ['CVE-2026-23401', 'mmioOverPresent'],
  scenario: 'memslot-delete',
  apply: () => ({
    *mmioOverPresent() {
      return false;
    },
  }),
});
