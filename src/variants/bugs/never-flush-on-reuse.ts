import { defineVariant } from '../define.ts';

/**
 * Never flush when a child is reused (claim C3, recipe 7.4-7). A child whose entries are tables may be unmapped below;
 * the old huge translation then lives on in TLBs over holes, and a later unmap of such a gfn finds no SPTE and does not
 * flush.
 */
export default defineVariant({
  name: 'never-flush-on-reuse',
  summary: 'the split never flushes, although a reused child may be partly unmapped',
  kind: 'bug',
  facts: ['C3', '7.4-7', '0378739401cf'],
  caughtBy: ['Q49', 'Q50', 'Q35'],
  scenario: 'nx-partial-reuse',
  apply: () => ({ splitNeedsFlush: () => false }),
});
