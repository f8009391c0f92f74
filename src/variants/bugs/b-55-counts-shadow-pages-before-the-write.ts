import { Op } from '../../cpu/steps.ts';
import { KVM } from '../../mmu/kvm.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-55-counts-shadow-pages-before-the-write',
  summary: 'an emulated write looks for shadow pages before others can see what it writes',
  id: 'B-55',
  fix: ['226d9b8f1688'],
  year: 2024,
  wrong:
    'kvm_mmu_track_write() read indirect_shadow_pages without a barrier, so that the read could come before the write it is ' +
    'about. Who shadows the table in between reads the old entry, and nobody takes it back.',
  needs:
    'No shadow page at all at that moment, an emulated write to a table, and a fault that shadows it just then.',
  expected: 'Q49',
  mayFireFirst: {
    Q11: 'a page does not shadow what its table says',
    Q24: 'a leaf maps what L1 has taken away',
  },
  scenario: 'zap-all',
  apply: () => ({
    *pteWriteIsTracked(kvm, cpu) {
      const count = kvm.base + KVM.indirectShadowPages;
      if (cpu.stepped) yield cpu.at(Op.Load, count);
      return cpu.load(count) !== 0;
    },
  }),
});
