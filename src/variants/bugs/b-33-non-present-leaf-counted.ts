import { isShadowPresent, SPTE_PS } from '../../mmu/format.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-33-non-present-leaf-counted',
  summary: 'values with PS set count as huge pages although they are not present',
  id: 'B-33',
  fix: ['088acd235266'],
  year: 2021,
  wrong:
    'The page statistics of the TDP MMU took any value with PS for a leaf, a frozen one included, and ' +
    'drifted.',
  needs: 'Zapping a huge leaf through the frozen value.',
  expected: 'Q36',
  scenario: 'both-mmus',
  parameters: { eager: false },
  apply: () => ({
    tdpCountsAsLeaf: (lo, level) => (level === 1 ? isShadowPresent(lo) : (lo & SPTE_PS) !== 0),
  }),
});
