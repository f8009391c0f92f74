/**
 * Events in words that do not depend on times, page ids and host addresses: two events are the same if and only if their
 * words are. `eventDetails` has the fields that are compared one by one in events whose words agree.
 */
import type { EventOf, EventType, RecordedEvent } from '../events.ts';
import type { Kind } from './difference.ts';
import type { HostMap } from './host-map.ts';
import { accessText, tableText, type PageNames } from './names.ts';
import { spteText } from './sptes.ts';
import { ERRNO_NAMES } from '../../mmu/errno.ts';

/** Under which kind an event is compared. */
export const EVENT_KINDS: Readonly<Record<EventType, Exclude<Kind, 'order'>>> = {
  kvm_mmu_split_huge_page: 'splits',
  probe_try_rmap: 'attempts',
  probe_try_one: 'attempts',
  probe_try_one_ret: 'attempts',
  probe_topup: 'attempts',
  probe_topup_ret: 'attempts',
  kvm_mmu_get_page: 'tables',
  kvm_mmu_prepare_zap_page: 'tables',
  kvm_mmu_sync_page: 'tables',
  kvm_mmu_unsync_page: 'tables',
  probe_rmap_recycle: 'tables',
  probe_link: 'links',
  probe_drop_large: 'links',
  kvm_page_fault: 'faults',
  kvm_mmu_spte_requested: 'faults',
  kvm_mmu_set_spte: 'faults',
  fast_page_fault: 'faults',
  kvm_mmu_pagetable_walk: 'walks',
  kvm_mmu_paging_element: 'walks',
  kvm_tdp_mmu_spte_changed: 'tdp',
  probe_flush: 'flushes',
  probe_flush_range: 'flushes',
  probe_memslot_flush: 'flushes',
  kvm_nested_vmenter: 'nested',
  kvm_nested_vmexit_inject: 'nested',
  kvm_unmap_hva_range: 'passes',
  probe_slot_split_begin: 'passes',
  probe_slot_split_end: 'passes',
  probe_range_split_begin: 'passes',
  probe_range_split_end: 'passes',
  probe_shadow_split_begin: 'passes',
  probe_shadow_split_end: 'passes',
  probe_tdp_split_begin: 'passes',
  probe_tdp_split_end: 'passes',
  probe_slot_wrprot_begin: 'passes',
  probe_slot_wrprot_end: 'passes',
  probe_tdp_wrprot: 'passes',
  probe_log_masked: 'passes',
  probe_gfn_wrprot: 'passes',
  probe_gfn_wrprot_ret: 'passes',
  probe_zap_collapsible: 'passes',
  probe_cond_resched_write: 'yields',
  probe_cond_resched_read: 'yields',
};

export interface Reader {
  readonly host: HostMap;
  readonly names: PageNames;
  /** False: the flush wish of `probe_link` is not in the recording. */
  readonly linkFlush: boolean;
}

type Say<T extends EventType> = (event: EventOf<T>, reader: Reader, op: number) => string;

const place = (at: readonly [string, number], { names }: Reader, op: number): string =>
  `entry ${at[1]} of the ${names.name(at[0], op)}`;

const errnoText = (errno: number): string => (errno === 0 ? 'done' : (ERRNO_NAMES[errno] ?? String(errno)));

const cachesText = ({ desc, hdr, page }: { desc: number; hdr: number; page: number }): string =>
  `caches: ${desc} descriptors, ${hdr} headers, ${page} tables`;

const shadowPageText = (
  event: EventOf<
    'kvm_mmu_get_page' | 'kvm_mmu_prepare_zap_page' | 'kvm_mmu_sync_page' | 'kvm_mmu_unsync_page'
  >,
): string =>
  `gfn ${event.gfn} level ${event.level} ${event.direct === 1 ? 'direct' : 'indirect'} ${accessText(event.access ?? 0)}` +
  `${event.invalid === 1 ? ' invalid' : ''}, root count ${event.root_count}, ${event.unsync === true ? 'unsync' : 'in sync'}`;

const SAY: { readonly [T in EventType]: Say<T> } = {
  kvm_mmu_split_huge_page: ({ gfn, spte, level, errno }, { host }) =>
    `split of gfn ${gfn} level ${level}: ${errnoText(errno)} (${spteText(spte, level, host)})`,
  probe_try_rmap: ({ rmap_many }) => `rmap head with ${rmap_many === 1 ? 'a list' : 'one entry'}`,
  probe_try_one: (event, reader, op) =>
    `attempt on ${place(event.at, reader, op)} (${spteText(event.spte, 2, reader.host)}), ${cachesText(event)}, ` +
    `${event.used} of ${event.max} pages used`,
  probe_try_one_ret: ({ ret }) => `attempt ended: ${errnoText(ret)}`,
  probe_topup: (event) => `topup, ${cachesText(event)}`,
  probe_topup_ret: ({ ret }) => `topup ended: ${errnoText(ret)}`,
  kvm_mmu_get_page: (event) => `table ${event.created ? 'created' : 'found'}: ${shadowPageText(event)}`,
  kvm_mmu_prepare_zap_page: (event) => `table zapped: ${shadowPageText(event)}`,
  kvm_mmu_sync_page: (event) => `table synchronised: ${shadowPageText(event)}`,
  kvm_mmu_unsync_page: (event) => `table out of sync: ${shadowPageText(event)}`,
  probe_rmap_recycle: () => 'all rmaps of a gfn zapped',
  probe_link: (event, reader, op) => {
    const { sp_role: role, sp_gfn, old, spte0, spte1, spte511 } = event;
    const inside = [spte0, spte1, spte511].map((spte) => spteText(spte, role.level, reader.host)).join('; ');
    const flush = !reader.linkFlush ? '' : event.flush === 0 ? ', no flush' : ', flush';
    return (
      `${tableText(sp_gfn, role)} linked to ${place(event.at, reader, op)} ` +
      `over ${spteText(old, role.level + 1, reader.host)}${flush}; its entries 0, 1, 511: ${inside}`
    );
  },
  probe_drop_large: (event, reader, op) =>
    `huge SPTE dropped at ${place(event.at, reader, op)} (${spteText(event.spte, 2, reader.host)}), ` +
    (event.flush === 0 ? 'no flush' : 'flush'),
  kvm_page_fault: ({ vcpu, address, error_code }) =>
    `fault of vCPU ${vcpu} in page ${address.slice(0, -3) || '0'}, error code ${error_code}`,
  kvm_mmu_spte_requested: ({ gfn, pfn, level }, { host }) => {
    const held = host.gfnOf(Number.parseInt(pfn, 16));
    return `the host gives gfn ${gfn} at level ${level}${held === gfn ? '' : ` another page (pfn ${pfn})`}`;
  },
  kvm_mmu_set_spte: (event, reader, op) =>
    `SPTE set for gfn ${event.gfn} level ${event.level} ${event.access} at ${place(event.at, reader, op)}: ` +
    spteText(event.spte, event.level, reader.host),
  fast_page_fault: (event, { host }) =>
    `fast fault of vCPU ${event.vcpu} at ${event.address} (${event.error}): ${spteText(event.old, 1, host)} becomes ` +
    `${spteText(event.new, 1, host)}${event.spurious === 1 ? ', spurious' : ''}${event.fixed === 1 ? ', fixed' : ''}`,
  kvm_mmu_pagetable_walk: ({ addr, pferr, flags }) =>
    `walk for page ${addr.slice(0, -3) || '0'}, error code ${pferr} (${flags})`,
  kvm_mmu_paging_element: ({ pte, level }) => `guest entry at level ${level}: ${pte}`,
  kvm_tdp_mmu_spte_changed: ({ gfn, level, old, new: now, count = 1 }, { host }) =>
    `TDP SPTE of gfn ${gfn} level ${level}${count > 1 ? ` and ${count - 1} after it` : ''}: ` +
    `${spteText(old, level, host)} becomes ${spteText(now, level, host)}`,
  probe_flush: () => 'TLB flush',
  probe_flush_range: ({ start, pages }) => `TLB flush of ${pages} pages from gfn ${start}`,
  probe_memslot_flush: () => 'flush after write protection',
  kvm_nested_vmenter: ({ nested_cr3 }) => `nested VM entry with root ${nested_cr3}`,
  kvm_nested_vmexit_inject: ({ reason, info1, info2 }) => `nested VM exit: ${reason} ${info1} ${info2}`,
  kvm_unmap_hva_range: ({ start, end }) => `host range unmapped: ${String(start)} to ${String(end)}`,
  probe_slot_split_begin: ({ base, npages, id }) =>
    `split of slot ${id} begins: gfn ${base}, ${npages} pages`,
  probe_slot_split_end: () => 'split of the slot ends',
  probe_range_split_begin: ({ start, end }) => `split of a range begins: gfn ${start} to ${end}`,
  probe_range_split_end: () => 'split of the range ends',
  probe_shadow_split_begin: ({ start, end }) => `nested split begins: gfn ${start} up to ${end}`,
  probe_shadow_split_end: () => 'nested split ends',
  probe_tdp_split_begin: ({ start, end, level, shared }) =>
    `TDP split begins: gfn ${start} up to ${end} to level ${level}, lock held for ${shared === 1 ? 'read' : 'write'}`,
  probe_tdp_split_end: () => 'TDP split ends',
  probe_slot_wrprot_begin: ({ level }) => `write protection of the slot begins from level ${level}`,
  probe_slot_wrprot_end: () => 'write protection of the slot ends',
  probe_tdp_wrprot: ({ level }) => `TDP write protection from level ${level}`,
  probe_log_masked: ({ offset, mask }) => `log word of page ${offset}, mask ${mask}`,
  probe_gfn_wrprot: ({ gfn, level }) => `write protection of gfn ${gfn} from level ${level}`,
  probe_gfn_wrprot_ret: ({ ret }) =>
    `write protection of the gfn ended: ${ret === 0 ? 'nothing changed' : 'flush needed'}`,
  probe_zap_collapsible: () => 'collapsible SPTEs zapped',
  probe_cond_resched_write: ({ ret }) =>
    `lock held for write ${ret === 1 ? 'given up and taken again' : 'kept'}`,
  probe_cond_resched_read: ({ ret }) =>
    `lock held for read ${ret === 1 ? 'given up and taken again' : 'kept'}`,
};

/** The event as it is compared and shown. */
export function eventText(event: RecordedEvent, reader: Reader, op: number): string {
  return (SAY[event.type] as (event: RecordedEvent, reader: Reader, op: number) => string)(event, reader, op);
}

/** Where the program of the guest puts its code says nothing about KVM, so these do not decide which event is which. */
export function eventDetails(event: RecordedEvent): ReadonlyArray<readonly [field: string, value: string]> {
  if (event.type === 'kvm_page_fault') return [['offset in page', event.address.slice(-3)]];
  if (event.type === 'kvm_mmu_pagetable_walk') return [['offset in page', event.addr.slice(-3)]];
  if (event.type === 'kvm_nested_vmenter') return [['nested_rip', event.nested_rip]];
  return [];
}
