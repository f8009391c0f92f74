import { defineVariant } from '../define.ts';

/**
 * A fault that replaces a table, or a leaf of another page, flushes everything. KVM names the gfn that the new leaf maps, which is not what
 * a TLB has: the old page is another one (docs/findings/fault-flushes-the-new-gfn.md).
 */
export default defineVariant({
  name: 'fault-flushes-all',
  summary: 'a fault that replaces what was mapped flushes everything, not the gfn that is mapped now',
  kind: 'idea',
  facts: ['5.2', '5.5', 'D7', 'Q49'],
  caughtBy: [],
  apply: () => ({ faultFlushPages: () => 0 }),
});
