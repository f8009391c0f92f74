import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-18-flush-on-every-split',
  summary: 'every split flushes, also where nothing can be stale',
  id: 'B-18',
  fix: ['0378739401cf'],
  year: 2022,
  wrong:
    'As first posted, each split flushed all TLBs after dropping the huge SPTE. It is right and slow: one ' +
    'IPI round per huge page under mmu_lock held for write.',
  needs: 'Any split; only the accounting of flushes can see it.',
  expected: 'D24',
  scenario: 'nested-migration',
  apply: () => ({ splitNeedsFlush: () => true }),
});
