import { tdpShrinkBySplit } from '../../mmu/tdp/shrink.ts';
import { defineVariant } from '../define.ts';

/** Linux 6.2: a fault of the TDP MMU that meets a huge page splits it in place instead of zapping it (c4b33d28ea51). */
export default defineVariant({
  name: 'tdp-shrink-6.2',
  summary: 'Linux 6.2: a TDP fault splits the huge page in its way instead of zapping it',
  kind: 'profile',
  facts: ['4.5', '8.3', 'C4'],
  caughtBy: [],
  apply: () => ({ tdpShrinkHuge: tdpShrinkBySplit }),
});
