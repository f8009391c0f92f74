import { changedPteSpte } from '../../mmu/host/change-pte.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-05-changed-pte-stays-mmu-writable',
  summary: 'change_pte to a read-only page leaves MMU-writable set',
  id: 'B-05',
  fix: ['f082d86ea685'],
  year: 2022,
  wrong:
    'When the host replaced a page by a read-only one, KVM cleared W and HOST-writable in the entry and ' +
    'left MMU-writable, so that a later fault could make a page writable that the host shares.',
  needs: 'KSM merges a page that an SPTE maps, and KVM is told by change_pte.',
  expected: 'Q27',
  mayFireFirst: {
    Q29: 'the page is writable although the host shares it',
  },
  scenario: 'notifier-unmap',
  apply: () => ({
    changedPteSpte: (kvm, cpu, lo, hi, pfn) => {
      const f = kvm.format;
      changedPteSpte(kvm, cpu, lo, hi, pfn);
      cpu.lo |= lo & f.mmuWritableLo;
      cpu.hi |= hi & f.mmuWritableHi;
    },
  }),
});
