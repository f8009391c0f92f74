import { isWritable } from '../../mmu/format.ts';
import { spteWriteProtect } from '../../mmu/shadow/write-protect.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-07-write-protect-forgets-stale-tlbs',
  summary: 'write protection of a shadowed table flushes only if W was still set',
  id: 'B-07',
  fix: ['6dbf79e7164e'],
  year: 2012,
  wrong:
    'GET_DIRTY_LOG dropped mmu_lock before it flushed. Who then made the page a shadowed table found W ' +
    'clear, took the page for protected and did not flush, while a TLB could still write it. There was no ' +
    'MMU-writable bit to tell.',
  needs:
    'A write-protect for logging whose flush is owed, and a first use of the page as a table in between.',
  expected: 'D10',
  mayFireFirst: {
    D20: 'the lock is dropped with the flush still owed',
  },
  facts: ['noMmuWritable', '5.6'],
  scenario: 'shadowed-tables',
  apply: () => ({
    spteWriteProtect: (kvm, cpu, sptep, lo, hi, ptProtect) => {
      spteWriteProtect(kvm, cpu, sptep, lo, hi, ptProtect);
      return isWritable(lo);
    },
  }),
});
