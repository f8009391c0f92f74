/**
 * A flush backend that takes a range of gfns (kernel-facts 5.5, H-K, B-14 to B-17).
 *
 * KVM names the gfns of L1 whose translation changed. EPT01's TLB entries are tagged with exactly that address. Those of
 * EPT02 are tagged with the address of L2, and how a backend gets from one to the other is the question of H-K:
 * - `range-l1` takes KVM's gfn for the address in the tag, as a hypercall that flushes a list of guest-physical addresses
 *   would for whatever table is in use. Sound only where L1 maps L2 one to one.
 * - `range-l2` is an idealised backend that knows for each entry which gfn of L1 is behind it. With it a wrong range is
 *   the caller's mistake alone.
 * Both drop an entry as soon as any page of it is in the range, as hardware does for every size. Of the paging-structure
 * cache `range-l1` drops what is on the way to an address in the range; `range-l2` drops all of it, as INVLPG does, since
 * a table has no gfn of L1.
 *
 * A range is published in one of a vCPU's slots by one 64-bit compare-exchange, gfn and pages together, and then
 * requested; if all slots are taken the request is for a full flush. The vCPU takes ranges out by exchanges before it
 * enters the guest. A range that it finds before the request is made is served early, which is as good: whoever
 * publishes has changed the tables already.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import type { Kvm } from './kvm.ts';
import { pscDrop, type PscEntry } from './psc.ts';
import { TLB, tlbDropWhere } from './tlb.ts';
import { RANGE_SLOTS, REQ_TLB_FLUSH, REQ_TLB_FLUSH_RANGE, ROOT_L1, VCPU } from './vcpu-words.ts';
import type { Vcpu } from './vcpu.ts';

/** 8-byte index of the first slot of a vCPU. */
const slotsQ = (kvm: Kvm, vcpu: number): number => (kvm.vcpuWord(vcpu) + VCPU.flushRanges) >> 1;

/**
 * Hands a range to one vCPU. An empty slot is (0, 0); a range has at least one page.
 * @returns the request that has to be made for it
 */
export function* publishRange(kvm: Kvm, cpu: Cpu, vcpu: number, gfn: number, pages: number): Steps<number> {
  const first = slotsQ(kvm, vcpu);
  for (let q = first; q < first + RANGE_SLOTS; q++) {
    if (cpu.stepped && cpu.stops(Op.CompareExchange64, q * 2)) yield;
    if (cpu.compareExchange64(q, 0, 0, gfn, pages)) return REQ_TLB_FLUSH_RANGE;
  }
  cpu.count(C.flushRangeOverflows);
  return REQ_TLB_FLUSH;
}

/** The vCPU serves what was published for it. */
export function* serveRanges(vcpu: Vcpu): Steps<void> {
  const { kvm, cpu } = vcpu;
  const first = slotsQ(kvm, vcpu.index);
  for (let q = first; q < first + RANGE_SLOTS; q++) {
    if (cpu.stepped && cpu.stops(Op.Exchange64, q * 2)) yield;
    cpu.exchange64(q, 0, 0);
    if (cpu.hi !== 0) dropRange(vcpu, cpu.lo, cpu.hi);
  }
}

function dropRange(vcpu: Vcpu, gfn: number, pages: number): void {
  const { kvm } = vcpu;
  tlbDropWhere(vcpu, (word, level) => tlbInRange(kvm, word, level, gfn, pages));
  pscDrop(vcpu, (entry) => pscInRange(kvm, entry, gfn, pages));
}

/** True if the TLB entry at `word`, of `level`, has a page in the range. */
function tlbInRange(kvm: Kvm, word: number, level: number, gfn: number, pages: number): boolean {
  const byAddress = kvm.config.flushBackend === 'range-l1' || kvm.w[word + TLB.root] === ROOT_L1;
  const from = byAddress ? kvm.w[word + TLB.tag]! << ((level - 1) * kvm.tableBits) : kvm.w[word + TLB.gfn]!;
  return from < gfn + pages && from + kvm.pages(level) > gfn;
}

/** True if the entry of the paging-structure cache is on the way to a page in the range, or may be. */
function pscInRange(kvm: Kvm, entry: PscEntry, gfn: number, pages: number): boolean {
  if (kvm.config.flushBackend !== 'range-l1' && entry.root !== ROOT_L1) return true;
  const below = 2 ** ((entry.level - 1) * kvm.tableBits);
  return entry.l2Gfn < gfn + pages && entry.l2Gfn + below > gfn;
}

/** Does a range that the vCPU has still to serve satisfy `covers`? */
function anyPending(kvm: Kvm, vcpu: number, covers: (gfn: number, pages: number) => boolean): boolean {
  const first = slotsQ(kvm, vcpu) * 2;
  for (let word = first; word < first + 2 * RANGE_SLOTS; word += 2) {
    if (kvm.w[word + 1] !== 0 && covers(kvm.w[word]!, kvm.w[word + 1]!)) return true;
  }
  return false;
}

/** True if a flush that is pending will drop the TLB entry: for checks, which look at a machine at rest. */
export const tlbRangePending = (kvm: Kvm, vcpu: number, word: number, level: number): boolean =>
  kvm.config.flushBackend !== 'full' &&
  anyPending(kvm, vcpu, (gfn, pages) => tlbInRange(kvm, word, level, gfn, pages));

/** The same for an entry of the paging-structure cache. */
export const pscRangePending = (kvm: Kvm, entry: PscEntry): boolean =>
  kvm.config.flushBackend !== 'full' &&
  anyPending(kvm, entry.vcpu, (gfn, pages) => pscInRange(kvm, entry, gfn, pages));
