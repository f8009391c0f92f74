import { defineVariant } from '../define.ts';

/**
 * P4: as the TDP MMU, no split ever flushes. Right as long as every child is full; C3 says when it is not, and the scenario
 * nx-partial-reuse refutes it.
 */
export default defineVariant({
  name: 'p4',
  summary:
    'hypothetical: as in the TDP MMU no nested split ever flushes; unsound where a child is reused (C3)',
  kind: 'profile',
  facts: ['0', 'C3', 'C4', '9.5'],
  caughtBy: [],
  apply: () => ({ profile: 'P4', splitNeedsFlush: () => false }),
});
