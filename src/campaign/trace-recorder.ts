/** Records the visible operations of one controlled run, and what the model said between them, for the trace report. */
import type { Cpu } from '../cpu/cpu.ts';
import type { OpListener } from '../cpu/plain-cpu.ts';
import { is64 } from '../cpu/steps.ts';
import { briefWord, describeSpte, isSpteWord } from '../mmu/describe.ts';
import { RET_PF_NAMES } from '../mmu/errno.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { Observer, type FlushReason } from '../mmu/observer.ts';
import { describeRole } from '../mmu/role.ts';
import { spGfn, spRole } from '../mmu/shadow-page.ts';
import type { TraceRow } from '../report/trace.ts';

const hex64 = (lo: number, hi: number): string =>
  `${hi === 0 ? '' : (hi >>> 0).toString(16)}${(lo >>> 0).toString(16).padStart(hi === 0 ? 1 : 8, '0')}`;

/** Trace events in the words of the kernel's tracepoints (kernel-facts 3.11). */
class EventLines extends Observer {
  private readonly say: (line: string) => void;
  private readonly kvm: () => Kvm;

  constructor(say: (line: string) => void, kvm: () => Kvm) {
    super();
    this.say = say;
    this.kvm = kvm;
  }

  /** The kernel has one tracepoint for both MMUs. */
  override tdpSplitAttempt(
    cpu: Cpu,
    gfn: number,
    level: number,
    lo: number,
    hi: number,
    errno: number,
  ): void {
    this.splitAttempt(cpu, gfn, level, lo, hi, errno);
  }

  override splitAttempt(_cpu: Cpu, gfn: number, level: number, lo: number, hi: number, errno: number): void {
    this.say(
      `kvm_mmu_split_huge_page: gfn ${gfn.toString(16)} spte ${hex64(lo, hi)} level ${level} errno ${errno}`,
    );
  }

  override getPage(_cpu: Cpu, sp: number, created: boolean): void {
    const kvm = this.kvm();
    const what = `gfn ${spGfn(kvm, sp).toString(16)} ${describeRole(spRole(kvm, sp))}`;
    this.say(`kvm_mmu_get_page: ${what} ${created ? 'new' : 'existing'}`);
  }

  override zapPage(_cpu: Cpu, sp: number): void {
    const kvm = this.kvm();
    this.say(`kvm_mmu_prepare_zap_page: gfn ${spGfn(kvm, sp).toString(16)} ${describeRole(spRole(kvm, sp))}`);
  }

  override flush(_cpu: Cpu, reason: FlushReason, gfn: number, pages: number): void {
    const range = pages === 0 ? '' : ` gfn ${gfn.toString(16)} pages ${pages.toString(16)}`;
    this.say(`kvm_flush_remote_tlbs: ${reason}${range}`);
  }

  override topup(_cpu: Cpu, low: boolean, result: number): void {
    this.say(`topup_split_caches: ${low ? 'caches low' : 'caches full'} result ${result}`);
  }

  override fault(_cpu: Cpu, gfn: number, level: number, result: number): void {
    this.say(`page fault: gfn ${gfn.toString(16)} level ${level} ${RET_PF_NAMES[result] ?? result}`);
  }

  override ioctl(_cpu: Cpu, name: string, slot: number, begin: boolean): void {
    this.say(`ioctl ${name} of slot ${slot} ${begin ? 'begins' : 'returns'}`);
  }
}

export class TraceRecorder implements OpListener {
  readonly rows: TraceRow[] = [];
  /** To be installed beside the judge's observer. */
  readonly events: Observer;
  private readonly kvm: () => Kvm;

  /** @param kvm asked for late: the runtime makes it */
  constructor(kvm: () => Kvm) {
    this.kvm = kvm;
    this.events = new EventLines((line) => this.addEvent(line), kvm);
  }

  /** The value shown is what the word holds once the operation is done. */
  operation(cpu: Cpu, op: number, word: number): void {
    const kvm = this.kvm();
    const lo = kvm.w[word]!;
    const hi = kvm.w[word + 1]!;
    const value = isSpteWord(kvm, word) ? describeSpte(kvm, lo, hi) : is64(op) ? `0x${hex64(lo, hi)}` : lo;
    this.rows.push({ step: this.rows.length + 1, actor: cpu.actor, op, what: briefWord(kvm, word), value });
  }

  /** An event belongs to the operation after which the model said it. */
  private addEvent(line: string): void {
    const last = this.rows.pop();
    if (last !== undefined) this.rows.push({ ...last, events: [...(last.events ?? []), line] });
  }
}
