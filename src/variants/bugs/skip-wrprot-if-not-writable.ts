import { isWritable } from '../../mmu/format.ts';
import { defineVariant } from '../define.ts';

/**
 * Write protection for a shadowed table passes over entries whose W is already clear (B-04, B-07). After a dirty-log
 * write-protect whose flush is still owed, W is clear but TLBs may hold W=1; MMU-writable is what tells.
 */
export default defineVariant({
  name: 'skip-wrprot-if-not-writable',
  summary:
    'shadowing a table skips SPTEs with W=0, although MMU-writable says a stale writable TLB entry may exist',
  kind: 'bug',
  facts: ['B-04', 'B-07', '5.6', 'D10'],
  caughtBy: ['D10', 'Q41'],
  scenario: 'shadowed-tables',
  apply: () => ({ needsWriteProtect: (_kvm, lo) => isWritable(lo) }),
});
