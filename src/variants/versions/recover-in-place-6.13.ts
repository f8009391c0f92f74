import { tdpRecoverHugePages } from '../../mmu/tdp/collapsible.ts';
import { defineVariant } from '../define.ts';

/** Linux 6.13: turning logging off rebuilds the huge pages of the TDP MMU in place instead of zapping (13e2e4f62a4b). */
export default defineVariant({
  name: 'recover-in-place-6.13',
  summary: 'Linux 6.13: turning logging off rebuilds huge pages of the TDP MMU in place',
  kind: 'profile',
  facts: ['3.13', 'A17'],
  caughtBy: [],
  apply: () => ({ tdpCollapseRange: tdpRecoverHugePages }),
});
