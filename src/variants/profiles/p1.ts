import { defineVariant } from '../define.ts';

/** P1: what the default engine is (src/mmu/default-engine.ts). */
export default defineVariant({
  name: 'p1',
  summary: 'Linux 6.0 to 7.0 (default): a nested split flushes only when the reused child holds tables',
  kind: 'profile',
  facts: ['0', '3.10', 'C14'],
  caughtBy: [],
  apply: () => ({ profile: 'P1' }),
});
