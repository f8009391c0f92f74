import { isMmuWritable } from '../../mmu/format.ts';
import { defineVariant } from '../define.ts';

/**
 * Linux 6.13: a leaf that is changed in place needs a flush only if MMU-writable was set and goes; clearing A, D or W
 * alone does not, as whoever relies on those flushes at the end anyway (081976992f43 and others, kernel-facts 3.13).
 */
export default defineVariant({
  name: 'flush-elision-6.13',
  summary: 'Linux 6.13: an SPTE changed in place needs a flush only if it loses MMU-writable',
  kind: 'profile',
  facts: ['3.13', '5.6'],
  caughtBy: [],
  apply: () => ({
    spteUpdateNeedsFlush: ({ format: f }, oldLo, oldHi, lo, hi) =>
      isMmuWritable(f, oldLo, oldHi) && !isMmuWritable(f, lo, hi),
  }),
});
