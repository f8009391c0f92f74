import { defineVariant } from '../define.ts';

/** Linux 6.8: CLEAR_DIRTY_LOG and the ring's reset split up to and with the last page asked for (1aa4bb916808, B-01). */
export default defineVariant({
  name: 'clear-6.8',
  summary: 'Linux 6.8: the split of CLEAR_DIRTY_LOG includes the last page of the request',
  kind: 'profile',
  facts: ['3.1', 'B-01', '3.13'],
  caughtBy: [],
  apply: () => ({ clearSplitEnd: (lastGfn) => lastGfn + 1, clearSplitsLastPage: true }),
});
