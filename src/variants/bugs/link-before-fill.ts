import { defineVariant } from '../define.ts';

/**
 * The child is linked while it is still empty, and filled afterwards (mutant m10; order of kernel-facts 10.4). Walkers
 * meet an empty table, and the entries appear by plain stores to a reachable table.
 */
export default defineVariant({
  name: 'link-before-fill',
  summary: 'the child is linked first and filled afterwards',
  kind: 'bug',
  facts: ['10.4', 'Q34', 'Q35'],
  caughtBy: ['Q35', 'Q34', 'D15'],
  apply: (base) => ({
    fillSplitChild: (pass) => pass.kvm.entries,
    splitLinked: (pass, sp) => {
      base.fillSplitChild(pass, sp, 0);
    },
  }),
});
