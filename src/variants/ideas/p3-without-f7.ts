import { defineVariant } from '../define.ts';
import { deferredFlush } from '../profiles/deferred-flush.ts';

/**
 * P3 that does not notice the full flush of a zapped unsync page (F7 of kernel-facts 9.4). As the split that met the page
 * owes a flush of its own, nothing is missed and no flush is added: the next one names more than it has to.
 */
export default defineVariant({
  name: 'p3-without-f7',
  summary: 'P3 whose next flush names again what the zap of an unsync page has just flushed',
  kind: 'idea',
  facts: ['9.4', 'C6'],
  caughtBy: [],
  apply: () => deferredFlush('F7'),
});
