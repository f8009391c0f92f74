import { defineVariant } from '../define.ts';

/**
 * The walker flushes everything before it yields. KVM names the gfns from its start up to the first 4K page of the head it
 * is at (H-E). That is short of the huge page at that head, and of all that an earlier pass over a lower level has zapped:
 * kvm_zap_collapsible_sptes() walks 4K heads first and carries what it owes over to the 2M heads.
 */
export default defineVariant({
  name: 'yield-flushes-all',
  summary: 'the rmap walker flushes everything before it yields, not the gfns up to its position (H-E)',
  kind: 'idea',
  facts: ['H-E', '3.3', 'D20'],
  caughtBy: [],
  apply: () => ({ walkYieldPages: () => 0 }),
});
