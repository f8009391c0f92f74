/** Names of the words of shadow-page headers, list descriptors and TLB entries. Everything here accepts a broken state. */
import { DESC_WORDS, HEADER_WORDS, TLB_ENTRY_WORDS } from '../arena/layout.ts';
import type { Kvm } from './kvm.ts';
import { describeRole } from './role.ts';
import { SP } from './shadow-page.ts';

const FIELDS: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(SP).map(([name, offset]) => [offset, name]),
);

/** `parentPtes of L1 direct rwx gfn 0x20`, `owner of table 5`, `pte_list_desc 7 [2]`; undefined for words of other parts. */
export function nameOfPoolWord(kvm: Kvm, word: number): string | undefined {
  const { layout, w } = kvm;
  const { tables, descs } = layout.dims;
  const within = (from: number, words: number): boolean => word >= from && word < from + words;
  if (within(layout.headers, (tables + 1) * HEADER_WORDS)) {
    const sp = Math.floor((word - layout.headers) / HEADER_WORDS);
    const header = layout.headers + sp * HEADER_WORDS;
    const field = FIELDS[word - header] ?? `word ${word - header}`;
    return `${field} of ${describeRole(w[header + SP.role]!)} gfn 0x${w[header + SP.gfn]!.toString(16)}`;
  }
  if (within(layout.tableOwner, tables + 1)) return `owner of table ${word - layout.tableOwner}`;
  if (within(layout.shadowInfo, (layout.dims.shadowInfos + 1) << kvm.tableBits)) {
    const at = word - layout.shadowInfo;
    return `shadowed translation ${at >> kvm.tableBits} [${at & (kvm.entries - 1)}]`;
  }
  if (within(layout.descs, (descs + 1) * DESC_WORDS)) {
    const at = word - layout.descs;
    return `pte_list_desc ${Math.floor(at / DESC_WORDS)} [${at % DESC_WORDS}]`;
  }
  return undefined;
}

/** True if the word lies in the TLB of a vCPU; then `entry` is the first word of its entry. */
export function tlbEntryOf(kvm: Kvm, word: number): { vcpu: number; entry: number } | undefined {
  const { layout } = kvm;
  if (word < layout.tlb || word >= layout.tlb + layout.tlbWords * layout.dims.vcpus) return undefined;
  const vcpu = Math.floor((word - layout.tlb) / layout.tlbWords);
  const base = layout.tlb + vcpu * layout.tlbWords;
  return { vcpu, entry: base + Math.floor((word - base) / TLB_ENTRY_WORDS) * TLB_ENTRY_WORDS };
}
