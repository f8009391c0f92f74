import { slotGfnWriteProtect } from '../../mmu/shadow/write-protect.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-25-write-protect-flush-lost',
  summary: 'shadowing a table forgets that it has to flush',
  id: 'B-25',
  fix: ['f81602958c11'],
  year: 2021,
  wrong:
    'The result of write-protecting a page that becomes a shadowed table was dropped, and with it the ' +
    'flush: other CPUs kept writable translations of the table.',
  needs: 'A first use of a page as a table while another vCPU may write it.',
  expected: 'D10',
  mayFireFirst: {
    D20: 'the lock is dropped with the flush still owed',
    Q49: 'the writable translation is found',
  },
  facts: ['B-32'],
  scenario: 'shadowed-tables',
  apply: () => ({
    *accountShadowed(kvm, cpu, slot, gfn) {
      yield* slotGfnWriteProtect(kvm, cpu, slot, gfn, 1);
    },
  }),
});
