import { SPTE_PS } from '../../mmu/format.ts';
import { makeHugePageSplitSpte } from '../../mmu/spte.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'ps-kept-at-4k',
  summary: 'the split leaves PS set in 4K leaves',
  id: 'keepPsAt4k',
  year: 2022,
  wrong:
    'At level 1 bit 7 is not PS; a child that keeps it is malformed, and its pages count at the wrong ' +
    'level.',
  needs: 'Any split to 4K.',
  expected: 'Q20',
  mayFireFirst: {
    Q34: 'the child differs from the huge page in PS',
    Q25: 'a leaf of level 1 claims to be huge',
    Q30: 'a reserved bit is set',
  },
  facts: ['3.9'],
  scenario: 'nested-migration',
  apply: () => ({
    makeHugePageSplitSpte: (kvm, cpu, lo, hi, level, access) => {
      makeHugePageSplitSpte(kvm, cpu, lo, hi, level, access);
      cpu.lo |= lo & SPTE_PS;
    },
  }),
});
