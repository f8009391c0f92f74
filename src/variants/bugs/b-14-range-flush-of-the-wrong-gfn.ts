import { spGfn, sptepToSp } from '../../mmu/shadow-page.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-14-range-flush-of-the-wrong-gfn',
  summary: 'range flushes name the gfn of the table instead of that of the page',
  id: 'B-14',
  fix: ['1b2dc7360463'],
  year: 2023,
  wrong:
    'Several callers passed the gfn of the shadow page that holds the entry to the range flush, also ' +
    'where a huge page is replaced by a table. For an indirect page that is where L1 keeps its table, not ' +
    'what the entry maps.',
  needs: 'A flush backend that takes ranges, and an indirect parent.',
  expected: 'Q49',
  mayFireFirst: {
    Q50: 'the huge translation survives over a hole',
    D7: 'the host took the page while a TLB still had it',
    Q35: 'the flush that a hole needs did not cover it',
  },
  facts: ['H-K', 'flushWrongGfn'],
  scenario: 'nested-migration',
  parameters: { flushBackend: 'range-l2' },
  apply: () => ({
    splitNeedsFlush: () => true,
    profile: 'P0',
    splitFlushGfn: (kvm, hugeSptep) => spGfn(kvm, sptepToSp(kvm, hugeSptep)),
    recycleFlushGfn: (kvm, sp) => spGfn(kvm, sp),
  }),
});
