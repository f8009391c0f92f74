import { defineVariant } from '../define.ts';

/**
 * Every split that links a child it has found, and not made, flushes (H-B): what the text of 0378739401cf says, where its code
 * looks for tables in the child only. A leaf that was there may permit less than the huge SPTE did.
 */
export default defineVariant({
  name: 'reuse-makes-flush',
  summary: 'a split flushes whenever its child was found and not made, whatever it holds (H-B)',
  kind: 'idea',
  facts: ['H-B', 'C14', '3.13'],
  caughtBy: [],
  apply: (base) => ({
    splitNeedsFlush: (pass) => base.splitNeedsFlush(pass) || pass.childReused,
  }),
});
