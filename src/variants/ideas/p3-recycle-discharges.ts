import { defineVariant } from '../define.ts';
import { deferredFlush } from '../profiles/deferred-flush.ts';

/**
 * P3 that takes the flush of a recycled head for its own (F8 of kernel-facts 9.4, H-A). That flush comes while the huge
 * SPTE of the split at hand is still there; what earlier splits owe it does settle, but not in a range backend.
 */
export default defineVariant({
  name: 'p3-recycle-discharges',
  summary: 'P3 that takes the flush of a recycled rmap head for the one it owes',
  kind: 'idea',
  facts: ['9.4', 'H-A', 'C6'],
  caughtBy: [],
  apply: () => deferredFlush('F8'),
});
