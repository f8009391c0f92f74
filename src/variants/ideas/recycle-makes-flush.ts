import { defineVariant } from '../define.ts';

/**
 * A split that has recycled a reverse map flushes after it has dropped the huge SPTE (H-A): the flush of the recycling came
 * while the huge SPTE was live, and whoever cached it again would keep it over the hole.
 */
export default defineVariant({
  name: 'recycle-makes-flush',
  summary: 'a split that recycled a reverse map flushes once more after the huge SPTE is gone (H-A)',
  kind: 'idea',
  facts: ['H-A', 'C14', '3.7'],
  caughtBy: [],
  apply: (base) => ({
    splitNeedsFlush: (pass) => base.splitNeedsFlush(pass) || pass.recycled,
  }),
});
