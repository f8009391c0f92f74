import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-58-walk-goes-on-without-bits',
  summary: 'a page that needs nothing stays in the mask, and the walk over the TDP MMU cannot end early',
  id: 'B-58',
  fix: ['f1b3b06a058b'],
  year: 2021,
  wrong:
    'clear_dirty_pt_masked() took a page out of its mask only if there was something to clear. One page that is clean ' +
    'already keeps the mask from running empty, and the walk goes on to the end of the word with mmu_lock held.',
  needs:
    'CLEAR_DIRTY_LOG of a few pages of a word, one of them clean in the tables; only the length of the hold shows it.',
  expected: 'D14',
  scenario: 'both-mmus',
  parameters: { manual: 'manual', clearPages: 1 },
  apply: () => ({ tdpMaskBitGoesFirst: false }),
});
