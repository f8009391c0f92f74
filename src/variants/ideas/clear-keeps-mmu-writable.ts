import { HELD_SLOTS } from '../../cpu/cpu.ts';
import { defineVariant } from '../define.ts';

/**
 * Whoever write-protects for the dirty log, under slots_lock, takes W alone, also from the huge pages that CLEAR_DIRTY_LOG leaves:
 * MMU-writable stays for as long as the flush is owed, so that a fault which shadows a table there flushes itself.
 */
export default defineVariant({
  name: 'clear-keeps-mmu-writable',
  summary: 'CLEAR_DIRTY_LOG takes W and leaves MMU-writable in huge pages that it write-protects',
  kind: 'idea',
  facts: ['3.1', '5.6', 'D10', 'B-07'],
  caughtBy: [],
  apply: (base) => ({
    spteWriteProtect: (kvm, cpu, sptep, lo, hi, ptProtect) =>
      base.spteWriteProtect(kvm, cpu, sptep, lo, hi, ptProtect && (cpu.held & HELD_SLOTS) === 0),
  }),
});
