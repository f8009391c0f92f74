/**
 * Q11: a shadow page that is in sync says what L1's table says now (kernel-facts 6.1, A5, B-31, B-50). Left out are pages
 * that are unsync, and an entry whose emulated write has been made and not been followed up yet.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { isLarge, isShadowPresent, sptePfn } from '../mmu/format.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { roleAccess, roleDirect, roleLevel, rolePassthrough } from '../mmu/role.ts';
import { isObsolete, SP, SP_UNSYNC } from '../mmu/shadow-page.ts';
import { VCPU } from '../mmu/vcpu-words.ts';
import { gpteAccess, isLastGpte, isPresentGpte, protectCleanGpte } from '../mmu/shadow/walk-addr.ts';
import { clear } from './clear.ts';
import { accessText, entryName, hex, pageName, spteText } from './naming.ts';
import { pageWalk, type PageWalk } from './page-walk.ts';
import { NothingToCheck, StepCheckBase } from './step-check.ts';
import type { StateCheck, StepCheckFamily } from './types.ts';

/** Entries of L1's tables (8-byte indices) that each actor has written, until KVM has followed the write up. */
class GuestWrites extends StepCheckBase {
  private readonly inFlight: number[] = [];

  override begin(): void {
    clear(this.inFlight);
  }

  override guestPte(cpu: Cpu, _gfn: number, q: number): void {
    this.inFlight[cpu.actor] = q;
  }

  override writeReleased(cpu: Cpu): void {
    this.inFlight[cpu.actor] = 0;
  }

  override guestEntering(cpu: Cpu): void {
    this.inFlight[cpu.actor] = 0;
  }

  has(q: number): boolean {
    return this.inFlight.includes(q);
  }
}

const writes = new WeakMap<Kvm, GuestWrites>();

/**
 * True if L1's entry `q` was written and KVM has not followed the write up yet. Who looks at a stopped world has not seen the
 * writes: there any vCPU of L1 that stands in the middle of an exit, in its SRCU section, may have made it.
 */
export function isGuestWriteInFlight(kvm: Kvm, q: number): boolean {
  const seen = writes.get(kvm);
  if (seen !== undefined) return seen.has(q);
  for (let vcpu = kvm.config.vcpus - kvm.config.l1Vcpus; vcpu < kvm.config.vcpus; vcpu++) {
    if ((kvm.w[kvm.vcpuWord(vcpu) + VCPU.srcu]! & 1) !== 0) return true;
  }
  return false;
}

export const guestWrites: StepCheckFamily = {
  ids: ['Q11'],
  make(kvm, broken) {
    if (kvm.config.l1Vcpus === 0) return new NothingToCheck(kvm, broken);
    const check = new GuestWrites(kvm, broken);
    writes.set(kvm, check);
    return check;
  },
};

/** What is wrong with a present entry, given L1's own; empty if nothing is. */
function mismatch(walk: PageWalk, sp: number, index: number, word: number, lo: number, hi: number): string {
  const { kvm } = walk;
  const { w, format: f } = kvm;
  if (!isPresentGpte(f, lo)) return 'is not present';
  const header = kvm.header(sp);
  const role = w[header + SP.role]!;
  const level = roleLevel(role);
  const pageAccess = roleAccess(role);
  const spteLo = w[word]!;
  let gfn: number;
  let access: number;
  if (level > 1 && !isLarge(spteLo)) {
    const table = sptePfn(spteLo, w[word + 1]!) - kvm.tablePfnBase;
    const child = table >= 1 && table <= kvm.layout.dims.tables ? w[kvm.tableOwner + table]! : 0;
    if (child === 0 || !walk.isLive(child)) return ''; // Q6
    gfn = w[kvm.header(child) + SP.gfn]!;
    access = roleAccess(w[kvm.header(child) + SP.role]!);
    if (!roleDirect(w[kvm.header(child) + SP.role]!)) {
      if (isLastGpte(lo, level)) return `is a page, and the child is ${pageName(kvm, child)}`;
      return sptePfn(lo, hi) === gfn
        ? ''
        : `names the table at gfn ${hex(sptePfn(lo, hi))}, and the child is ${pageName(kvm, child)}`;
    }
  } else {
    const stored = w[kvm.shadowInfo + (w[header + SP.shadowInfo]! << kvm.tableBits) + index]!;
    gfn = stored >>> 3;
    access = stored & 7;
  }
  if (!isLastGpte(lo, level)) return 'names a table';
  const mask = ~(kvm.pages(level) - 1);
  if ((sptePfn(lo, hi) & mask) !== (gfn & mask)) return `maps gfn ${hex(sptePfn(lo, hi))}, not ${hex(gfn)}`;
  const allowed = protectCleanGpte(kvm, gpteAccess(f, lo, hi) & pageAccess, lo);
  return (access & ~allowed) === 0 ? '' : `allows ${accessText(allowed)}, not ${accessText(access)}`;
}

function checkPage(walk: PageWalk, sp: number, table: number): void {
  const { kvm } = walk;
  const { w } = kvm;
  const first = (kvm.tablesQ + (w[kvm.header(sp) + SP.table]! << kvm.tableBits)) * 2;
  for (let index = 0; index < kvm.entries; index++) {
    const word = first + index * 2;
    if (!isShadowPresent(w[word]!)) continue;
    const q = kvm.guestTablesQ + (table << kvm.tableBits) + index;
    const lo = w[q * 2]!;
    const hi = w[q * 2 + 1]!;
    const what = mismatch(walk, sp, index, word, lo, hi);
    if (what === '' || isGuestWriteInFlight(kvm, q) || !walk.admit('Q11')) continue;
    walk.report(
      'Q11',
      `${entryName(kvm, sp, index)} is in sync, and L1's entry ${spteText(lo, hi)} ${what}`,
      [word, q * 2],
    );
  }
}

export const syncedCheck: StateCheck = {
  ids: ['Q11'],
  when: 'end',
  run(kvm, broken) {
    const walk = pageWalk(kvm);
    walk.begin(broken);
    const { w, config } = kvm;
    for (let p = 0; p < walk.count; p++) {
      const sp = walk.pages[p]!;
      const header = kvm.header(sp);
      const role = w[header + SP.role]!;
      if (roleDirect(role) || rolePassthrough(role) || (w[header + SP.flags]! & SP_UNSYNC) !== 0) continue;
      const table = w[header + SP.gfn]! - config.tableGfn;
      if (table < 0 || table >= config.tablePages || isObsolete(kvm, sp)) continue;
      checkPage(walk, sp, table);
    }
  },
};
