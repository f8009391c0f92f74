import type { Engine } from '../../mmu/engine.ts';
import { defineVariant } from '../define.ts';

/**
 * P2: 7.1 and the stable trees of 2026. Linking zaps whatever present SPTE it overwrites and always flushes; the `flush`
 * argument of P1 is dead code (0cb2af2ea66a, kernel-facts 0). No range backend is given a range for it.
 */
export default defineVariant({
  name: 'p2',
  summary: 'Linux 7.1 and stable 2026: linking a table over a huge SPTE always flushes everything',
  kind: 'profile',
  facts: ['0', '3.10', 'B-50'],
  caughtBy: [],
  apply: (): Partial<Engine> => ({ profile: 'P2', splitNeedsFlush: () => true, splitFlushPages: () => 0 }),
});
