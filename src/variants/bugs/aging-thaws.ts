import { REMOVED_SPTE_LO } from '../../mmu/format.ts';
import { defineVariant } from '../define.ts';
import locklessAging from '../versions/lockless-aging-6.15.ts';

/**
 * Lockless aging with the frozen value of 6.1 to 6.12, 0x5a0, in which the A bits of both formats are set. Aging reads a young
 * leaf, somebody freezes it, and aging clears A in the frozen value: nobody takes the entry for frozen any more, a fault
 * installs something, and the store of 0 that ends the zap loses it; a TLB may have it (Q49). The series changed the value to 0x498 for that reason.
 */
export default defineVariant({
  name: 'aging-thaws',
  summary: 'lockless aging clears A in entries that are frozen, by a frozen value that has the A bit set',
  kind: 'bug',
  facts: ['A12', '4.5', '3.13', 'D5'],
  caughtBy: ['Q38', 'Q36', 'D5', 'Q37', 'Q53', 'Q49'],
  scenario: 'tdp-races',
  apply: (base) => ({ ...locklessAging.apply(base), frozenSpteLo: REMOVED_SPTE_LO }),
});
