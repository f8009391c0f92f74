import { Op } from '../../cpu/steps.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-24-tdp-plain-write',
  summary: 'a TDP entry that hardware may change is overwritten by a plain store',
  id: 'B-24',
  fix: ['ba3a6120a4e7'],
  year: 2022,
  wrong:
    'With mmu_lock held for write KVM stored new values over TDP entries without an exchange. A and D set ' +
    'by hardware, or W set by the fast path, between read and store are lost.',
  needs: 'The exclusive split of CLEAR_DIRTY_LOG, and a write by L1 to the page at that moment.',
  expected: 'D5',
  mayFireFirst: {
    Q47: 'the host page is not dirty although it was written',
    D6: 'a page was not copied',
  },
  facts: ['tdpPlainWrite', 'Q47'],
  scenario: 'l1-remap',
  apply: () => ({
    *tdpWriteSpte(_kvm, cpu, sptep, oldLo, oldHi, lo, hi) {
      if (cpu.stepped && cpu.stops(Op.Store64, sptep * 2)) yield;
      cpu.store64(sptep, lo, hi);
      cpu.lo = oldLo;
      cpu.hi = oldHi;
    },
  }),
});
