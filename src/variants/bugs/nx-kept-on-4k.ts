import { SPTE_PS } from '../../mmu/format.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'nx-kept-on-4k',
  summary: 'the split leaves NX on 4K pages under the mitigation',
  id: 'keepNxOn4k',
  year: 2022,
  wrong:
    'A huge page is mapped non-executable under the mitigation; its 4K children may be executed, and must ' +
    'not inherit NX.',
  needs: 'The mitigation on, and a page that L1 lets L2 execute.',
  expected: 'Q34',
  facts: ['3.9'],
  scenario: 'nx-partial-reuse',
  apply: () => ({
    makeHugePageSplitSpte: (_kvm, cpu, lo, hi, level) => {
      cpu.lo = level === 1 ? lo & ~SPTE_PS : lo;
      cpu.hi = hi;
    },
  }),
});
