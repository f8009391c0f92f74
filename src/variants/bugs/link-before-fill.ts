import { defineVariant } from '../define.ts';

/**
 * The child is linked while it is still empty, and filled afterwards (mutant m10; order of kernel-facts 10.4). Walkers
 * meet an empty table, and the entries appear one by one in a table that is in use.
 */
export default defineVariant({
  name: 'link-before-fill',
  summary: 'the child is linked first and filled afterwards',
  kind: 'bug',
  facts: ['10.4', 'Q34', 'Q35'],
  caughtBy: ['Q35', 'Q34', 'D15'],
  apply: (base) => ({
    fillSplitChild: (pass) => pass.kvm.entries,
    // oxlint-disable-next-line require-yield
    *fillReusedChild(pass) {
      return pass.kvm.entries;
    },
    *splitLinked(pass, sp) {
      yield* base.fillReusedChild(pass, sp, 0);
    },
  }),
});
