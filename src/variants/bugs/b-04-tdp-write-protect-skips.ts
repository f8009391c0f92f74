import { isWritable } from '../../mmu/format.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-04-tdp-write-protect-skips',
  summary: 'shadowing a table passes over TDP leaves with W=0 that may be made writable',
  id: 'B-04',
  fix: ['7c8a4742c4ab'],
  year: 2022,
  wrong:
    'The TDP MMU took W as the only thing to take away when a page became a shadowed table. After a ' +
    'write-protect for logging W is clear and MMU-writable is set: the fast path gives W back, and a TLB ' +
    'may have it still.',
  needs: 'A page that L1 writes, logged, and then used as a nested table for the first time.',
  expected: 'Q41',
  mayFireFirst: {
    D10: 'a TLB entry that may write the table is found when the lock is dropped',
  },
  scenario: 'l1-remap',
  apply: () => ({ tdpNeedsWriteProtect: (_kvm, lo) => isWritable(lo) }),
});
