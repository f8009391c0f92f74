/** What the model does, as the trace events and probes of a recording. */
import { HELD_MMU_READ, type Cpu } from '../cpu/cpu.ts';
import { RET_PF_FIXED, RET_PF_SPURIOUS } from '../mmu/errno.ts';
import {
  ACC_EXEC,
  ACC_USER,
  ACC_WRITE,
  isExecutable,
  isLarge,
  isShadowPresent,
  isWritable,
} from '../mmu/format.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { cacheCount, splitCaches } from '../mmu/memory-cache.ts';
import { Observer, type FlushReason, type RuleBreak } from '../mmu/observer.ts';
import { roleAccess, roleDirect, roleInvalid, roleLevel } from '../mmu/role.ts';
import {
  SP_TDP,
  SP_UNSYNC,
  spFlags,
  spGfn,
  spRole,
  spRootCount,
  sptepOf,
  sptepToSp,
} from '../mmu/shadow-page.ts';
import { MODE_MASK, OUTSIDE_GUEST_MODE, VCPU } from '../mmu/vcpu-words.ts';
import type { RecordedEvent } from './events.ts';
import type { OrderGuide } from './order-guide.ts';
import type { PageNames } from './page-names.ts';
import { roleFields } from './role-fields.ts';
import { hex64 } from './spte-hex.ts';
import { mergeTdpChange } from './tdp-runs.ts';

/** An event without what all of them have. */
export type Told = RecordedEvent extends infer E
  ? E extends RecordedEvent
    ? Omit<E, 't' | 'op' | 'task'>
    : never
  : never;

/** The time between two events, in seconds: only the order means something. */
const TICK = 1e-6;

/** Bits of a page fault's error code by the access that failed. */
const errorBits = (access: number): number =>
  ((access & ACC_WRITE) === 0 ? 0 : 2) |
  ((access & ACC_USER) === 0 ? 0 : 4) |
  ((access & ACC_EXEC) === 0 ? 0 : 16);

const errorText = (code: number): string =>
  [code & 1 ? 'P' : '', code & 2 ? 'W' : '', code & 4 ? 'U' : '', code & 16 ? 'F' : '']
    .filter((bit) => bit !== '')
    .join('|');

export class EventRecorder extends Observer {
  readonly events: RecordedEvent[] = [];
  /** Rules of the model that were broken: they have no place in a recording. */
  readonly broke: RuleBreak[] = [];
  /** Number of the operation in progress; null between two. */
  op: number | null = null;
  /** Attempts of the nested split in this operation. */
  attempts = 0;
  /** Flushes so far that met a vCPU in the guest. */
  kickingFlushes = 0;
  /** Flushes that vCPUs have made on request. */
  servedFlushes = 0;
  private readonly unasked = new Set<number>();
  /** Hears of every event, while two threads are at work. */
  guide: OrderGuide | undefined;
  /** Name of the task by actor; the main thread has none. */
  readonly tasks = new Map<number, string>();
  /** The page fault in work, by actor. */
  private readonly faults = new Map<number, { readonly address: number; readonly code: number }>();
  private readonly kvm: Kvm;
  private readonly names: PageNames;
  private time = 0;

  constructor(kvm: Kvm, names: PageNames) {
    super();
    this.kvm = kvm;
    this.names = names;
  }

  begin(op: number | null): void {
    this.op = op;
    this.attempts = 0;
  }

  tell(cpu: Cpu, told: Told): void {
    const task = this.tasks.get(cpu.actor);
    this.guide?.tell(task === undefined ? 'main' : 'background', told.type);
    const common = {
      t: Math.round(this.time++) * TICK,
      op: this.op,
      ...(task === undefined ? {} : { task }),
    };
    const event = { ...common, ...told } as RecordedEvent;
    if (!mergeTdpChange(this.events.at(-1), event)) this.events.push(event);
  }

  override broken(_cpu: Cpu, rule: RuleBreak): void {
    this.broke.push(rule);
  }

  /** What a vCPU flushes until this is taken back is no answer to a request. */
  flushesByItself(cpu: Cpu, byItself: boolean): void {
    if (byItself) this.unasked.add(cpu.actor);
    else this.unasked.delete(cpu.actor);
  }

  override tlbFlushed(cpu: Cpu): void {
    if (!this.unasked.has(cpu.actor)) this.servedFlushes++;
  }

  private pageFields(sp: number) {
    const { kvm } = this;
    const role = spRole(kvm, sp);
    return {
      gfn: spGfn(kvm, sp),
      level: roleLevel(role),
      direct: roleDirect(role) ? (1 as const) : (0 as const),
      access: roleAccess(role),
      invalid: roleInvalid(role) ? (1 as const) : (0 as const),
      root_count: spRootCount(kvm, sp),
      unsync: (spFlags(kvm, sp) & SP_UNSYNC) !== 0,
    };
  }

  override getPage(cpu: Cpu, sp: number, created: boolean): void {
    // The TDP MMU tells of its pages by tdpPageMade.
    if (sp === 0 || this.isTdp(sp)) return;
    this.tell(cpu, { type: 'kvm_mmu_get_page', ...this.pageFields(sp), created });
  }

  override tdpPageMade(cpu: Cpu, sp: number): void {
    this.tell(cpu, { type: 'kvm_mmu_get_page', ...this.pageFields(sp), created: true });
  }

  private isTdp(sp: number): boolean {
    return (spFlags(this.kvm, sp) & SP_TDP) !== 0;
  }

  override zapPage(cpu: Cpu, sp: number): void {
    this.tell(cpu, { type: 'kvm_mmu_prepare_zap_page', ...this.pageFields(sp) });
  }

  override spteRequested(cpu: Cpu, gfn: number, pfn: number, level: number): void {
    this.tell(cpu, { type: 'kvm_mmu_spte_requested', gfn, pfn: pfn.toString(16), level });
  }

  override spteSet(cpu: Cpu, sptep: number, gfn: number, level: number, lo: number, hi: number): void {
    const { format } = this.kvm;
    const access =
      'r' +
      (isWritable(lo) ? 'w' : '-') +
      (isExecutable(format, lo, hi) ? 'x' : '-') +
      ((lo & format.userLo) === 0 ? '-' : 'u');
    const at = this.names.at(sptep);
    this.tell(cpu, { type: 'kvm_mmu_set_spte', gfn, spte: hex64(lo, hi), access, level, at });
  }

  /** kvm_page_fault: the exit, before anybody has looked at it. `final`: no walk of the guest's own tables. */
  pageFault(cpu: Cpu, vcpu: number, address: number, access: number, present: boolean, final: boolean): void {
    const code = (present ? 1 : 0) | errorBits(access);
    this.faults.set(cpu.actor, { address, code });
    const text = `${final ? 1 : 2}${code.toString(16).padStart(8, '0')}`;
    this.tell(cpu, { type: 'kvm_page_fault', vcpu, address: address.toString(16), error_code: text });
  }

  override guestWalk(cpu: Cpu, l2Gfn: number, access: number): void {
    const fault = this.faults.get(cpu.actor);
    const known = fault !== undefined && Math.floor(fault.address / 4096) === l2Gfn;
    const { address, code } = known ? fault : { address: l2Gfn * 4096, code: errorBits(access) };
    this.walk(cpu, address, code);
  }

  /** kvm_mmu_pagetable_walk: of NPT12, or of L1's own page tables by the emulator. */
  walk(cpu: Cpu, address: number, code: number): void {
    this.tell(cpu, {
      type: 'kvm_mmu_pagetable_walk',
      addr: address.toString(16),
      pferr: code.toString(16),
      flags: errorText(code),
    });
  }

  override guestWalkEntry(cpu: Cpu, lo: number, hi: number, level: number): void {
    this.tell(cpu, { type: 'kvm_mmu_paging_element', pte: hex64(lo, hi), level });
  }

  override fastPageFault(
    cpu: Cpu,
    gfn: number,
    access: number,
    oldLo: number,
    oldHi: number,
    lo: number,
    hi: number,
    result: number,
  ): void {
    this.tell(cpu, {
      type: 'fast_page_fault',
      vcpu: cpu.runningVcpu,
      address: (this.faults.get(cpu.actor)?.address ?? gfn * 4096).toString(16),
      error: errorText(1 | errorBits(access)),
      old: hex64(oldLo, oldHi),
      new: hex64(lo, hi),
      spurious: result === RET_PF_SPURIOUS ? 1 : 0,
      fixed: result === RET_PF_FIXED ? 1 : 0,
    });
  }

  override linkBegin(cpu: Cpu, sptep: number, sp: number, flush: boolean): void {
    const { kvm, names } = this;
    const { w } = kvm;
    const [oldLo, oldHi] = [w[sptep * 2]!, w[sptep * 2 + 1]!];
    const entry = (index: number): string => {
      const q = sptepOf(kvm, sp, index) * 2;
      return hex64(w[q]!, w[q + 1]!);
    };
    const at = names.at(sptep);
    this.tell(cpu, {
      type: 'probe_link',
      at,
      old: hex64(oldLo, oldHi),
      sp_gfn: spGfn(kvm, sp),
      sp_role: roleFields(spRole(kvm, sp)),
      sp: names.ofPage(sp),
      spte0: entry(0),
      spte1: entry(1),
      spte511: entry(kvm.entries - 1),
      flush: flush ? 1 : 0,
    });
    if (!isShadowPresent(oldLo) || !isLarge(oldLo)) return;
    this.tell(cpu, { type: 'probe_drop_large', at, spte: hex64(oldLo, oldHi), flush: flush ? 1 : 0 });
  }

  override slotSplit(cpu: Cpu, id: number, begin: boolean): void {
    const slot = this.kvm.slots.find(({ config }) => config.id === id)!;
    this.tell(
      cpu,
      begin
        ? { type: 'probe_slot_split_begin', base: slot.baseGfn, npages: slot.npages, id }
        : { type: 'probe_slot_split_end' },
    );
  }

  override splitHead(cpu: Cpu, many: boolean): void {
    this.tell(cpu, { type: 'probe_try_rmap', rmap_many: many ? 1 : 0 });
  }

  override slotWriteProtect(cpu: Cpu, level: number, phase: 'begin' | 'tdp' | 'end'): void {
    if (phase === 'end') this.tell(cpu, { type: 'probe_slot_wrprot_end' });
    else this.tell(cpu, { type: phase === 'begin' ? 'probe_slot_wrprot_begin' : 'probe_tdp_wrprot', level });
  }

  override splitPass(cpu: Cpu, _slot: number, start: number, end: number, begin: boolean): void {
    this.tell(
      cpu,
      begin ? { type: 'probe_shadow_split_begin', start, end } : { type: 'probe_shadow_split_end' },
    );
  }

  override tdpSplitPass(cpu: Cpu, start: number, end: number, shared: boolean, begin: boolean): void {
    this.tell(
      cpu,
      begin
        ? { type: 'probe_tdp_split_begin', start, end, level: 1, shared: shared ? 1 : 0 }
        : { type: 'probe_tdp_split_end' },
    );
  }

  /** Objects left in the split caches. */
  private get caches(): { readonly desc: number; readonly hdr: number; readonly page: number } {
    const { kvm } = this;
    const caches = splitCaches(kvm, 0);
    return {
      desc: cacheCount(kvm, caches.desc),
      hdr: cacheCount(kvm, caches.header),
      page: cacheCount(kvm, caches.table),
    };
  }

  override splitBegin(cpu: Cpu, sptep: number): void {
    const { kvm } = this;
    const spte = hex64(kvm.w[sptep * 2]!, kvm.w[sptep * 2 + 1]!);
    const limits = { used: kvm.get(KVM.nUsed), max: kvm.get(KVM.nMax) };
    this.tell(cpu, { type: 'probe_try_one', at: this.names.at(sptep), spte, ...this.caches, ...limits });
  }

  override splitAttempt(cpu: Cpu, gfn: number, level: number, lo: number, hi: number, errno: number): void {
    this.attempts++;
    this.tell(cpu, { type: 'kvm_mmu_split_huge_page', gfn, spte: hex64(lo, hi), level, errno });
    this.tell(cpu, { type: 'probe_try_one_ret', ret: errno });
  }

  /** topup_split_caches() is about to run, or has. */
  topupBegin(cpu: Cpu): void {
    this.tell(cpu, { type: 'probe_topup', ...this.caches });
  }

  override topup(cpu: Cpu, _low: boolean, result: number): void {
    this.tell(cpu, { type: 'probe_topup_ret', ret: result });
  }

  override tdpSplitAttempt(
    cpu: Cpu,
    gfn: number,
    level: number,
    lo: number,
    hi: number,
    errno: number,
  ): void {
    this.tell(cpu, { type: 'kvm_mmu_split_huge_page', gfn, spte: hex64(lo, hi), level, errno });
  }

  override tdpChanged(cpu: Cpu, sptep: number, oldLo: number, oldHi: number, lo: number, hi: number): void {
    const { kvm } = this;
    const sp = sptepToSp(kvm, sptep);
    const level = roleLevel(spRole(kvm, sp));
    const gfn =
      spGfn(kvm, sp) + ((sptep - kvm.tablesQ) & (kvm.entries - 1)) * 2 ** ((level - 1) * kvm.tableBits);
    this.tell(cpu, {
      type: 'kvm_tdp_mmu_spte_changed',
      gfn,
      level,
      old: hex64(oldLo, oldHi),
      new: hex64(lo, hi),
    });
  }

  /** kvm_make_all_cpus_request() finds a vCPU that it has to kick. */
  private anyInGuest(): boolean {
    const { kvm } = this;
    for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) {
      if ((kvm.w[kvm.vcpuWord(vcpu) + VCPU.mode]! & MODE_MASK) !== OUTSIDE_GUEST_MODE) return true;
    }
    return false;
  }

  override flush(cpu: Cpu, reason: FlushReason, gfn: number, pages: number): void {
    if (this.anyInGuest()) this.kickingFlushes++;
    // The probe sees the calls of the TDP MMU, which shares mmu_lock; those of the shadow MMU were inlined.
    if (pages > 0 && (cpu.held & HELD_MMU_READ) !== 0) {
      this.tell(cpu, { type: 'probe_flush_range', start: gfn, pages });
    }
    // kvm_arch_flush_remote_tlbs_memslot().
    if (reason === 'end-of-ioctl') this.tell(cpu, { type: 'probe_memslot_flush' });
    this.tell(cpu, { type: 'probe_flush' });
  }

  override zapCollapsible(cpu: Cpu): void {
    this.tell(cpu, { type: 'probe_zap_collapsible' });
  }

  override rmapRecycled(cpu: Cpu): void {
    this.tell(cpu, { type: 'probe_rmap_recycle' });
  }

  override gfnWriteProtect(cpu: Cpu, gfn: number, level: number): void {
    this.tell(cpu, { type: 'probe_gfn_wrprot', gfn, level });
  }

  override gfnWriteProtected(cpu: Cpu, _gfn: number, changed: boolean): void {
    this.tell(cpu, { type: 'probe_gfn_wrprot_ret', ret: changed ? 1 : 0 });
  }

  override logMasked(cpu: Cpu, offset: number, lo: number, hi: number): void {
    this.tell(cpu, { type: 'probe_log_masked', offset, mask: hex64(lo, hi) });
  }
}
