/** Totals of one operation over the events of the main thread (docs/conformance.md). */
import type { RecordedEvent } from './events.ts';
import type { OperationCounts } from './operations.ts';

/** Minima of the split caches (kernel-facts 2.3). */
const MIN_DESC = 513;

export function countsOf(events: readonly RecordedEvent[], op: number): Required<OperationCounts> {
  const counts = {
    split_events_by_errno: {} as Record<string, number>,
    sp_new: 0,
    sp_existing: 0,
    flush_remote_tlbs: 0,
    flush_range: 0,
    topups: 0,
    lock_yields_write: 0,
    lock_yields_read: 0,
    tdp_spte_changes: 0,
    zapped: 0,
    links_with_flush: 0,
    topups_cache_low: 0,
    topups_resched_only: 0,
  };
  for (const event of events) {
    if (event.op !== op || event.task !== undefined) continue;
    if (event.type === 'kvm_mmu_split_huge_page') {
      const key = String(event.errno);
      counts.split_events_by_errno[key] = (counts.split_events_by_errno[key] ?? 0) + 1;
    } else if (event.type === 'kvm_mmu_get_page') {
      if (event.created) counts.sp_new++;
      else counts.sp_existing++;
    } else if (event.type === 'probe_flush') {
      counts.flush_remote_tlbs++;
    } else if (event.type === 'probe_topup') {
      counts.topups++;
      if (event.desc < MIN_DESC || event.hdr < 1 || event.page < 1) counts.topups_cache_low++;
      else counts.topups_resched_only++;
    } else if (event.type === 'probe_link') {
      if (event.flush !== 0) counts.links_with_flush++;
    } else if (event.type === 'kvm_tdp_mmu_spte_changed') {
      counts.tdp_spte_changes += event.count ?? 1;
    } else if (event.type === 'kvm_mmu_prepare_zap_page') {
      counts.zapped++;
    }
  }
  return counts;
}
