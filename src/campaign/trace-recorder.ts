/** Records the visible operations of one controlled run for the trace report. */
import type { Cpu } from '../cpu/cpu.ts';
import type { OpListener } from '../cpu/plain-cpu.ts';
import { is64 } from '../cpu/steps.ts';
import { briefWord, describeSpte, isSpteWord } from '../mmu/describe.ts';
import type { Kvm } from '../mmu/kvm.ts';
import type { TraceRow } from '../report/trace.ts';

export class TraceRecorder implements OpListener {
  readonly rows: TraceRow[] = [];
  private readonly kvm: () => Kvm;

  /** @param kvm asked for late: the runtime makes it */
  constructor(kvm: () => Kvm) {
    this.kvm = kvm;
  }

  /** The value shown is what the word holds once the operation is done. */
  operation(cpu: Cpu, op: number, word: number): void {
    const kvm = this.kvm();
    const lo = kvm.w[word]!;
    const hi = kvm.w[word + 1]!;
    const value = isSpteWord(kvm, word)
      ? describeSpte(kvm, lo, hi)
      : is64(op)
        ? `0x${(hi >>> 0).toString(16)}${(lo >>> 0).toString(16).padStart(8, '0')}`
        : lo;
    this.rows.push({ step: this.rows.length + 1, actor: cpu.actor, op, what: briefWord(kvm, word), value });
  }
}
