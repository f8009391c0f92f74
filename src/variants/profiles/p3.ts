import { defineVariant } from '../define.ts';
import { deferredFlush } from './deferred-flush.ts';

/**
 * P3: what the text of the commit says could be done. The flush of all splits since `mmu_lock` was taken is made once,
 * before it is dropped, over the range of whole huge pages (C6, H-E, H-H).
 */
export default defineVariant({
  name: 'p3',
  summary: 'hypothetical: the flush of all nested splits of a hold is made once, before mmu_lock is dropped',
  kind: 'profile',
  facts: ['0', '9.4', 'C6', 'H-E', 'H-H'],
  caughtBy: [],
  apply: () => deferredFlush(),
});
