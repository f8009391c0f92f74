import { EAGAIN } from '../../mmu/errno.ts';
import { defineVariant } from '../define.ts';

/**
 * The handler goes on to the next entry after -EAGAIN instead of starting the head again (switch noRestartAfterEagain).
 * The iterator dates from before the lock was dropped, and the entry that answered -EAGAIN stays huge.
 */
export default defineVariant({
  name: 'no-restart-after-eagain',
  summary: 'the rmap walk goes on after the lock was dropped instead of starting the head again',
  kind: 'bug',
  facts: ['3.4', 'D4', 'Q43'],
  caughtBy: ['D4', 'Q43'],
  apply: (base) => ({ afterAttempt: (result) => (result === EAGAIN ? 'next' : base.afterAttempt(result)) }),
});
