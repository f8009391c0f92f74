/**
 * D12 and D13: a split pass gets on (kernel-facts 3.4, 3.6, H-F), and so does a fault (5.4, B-39). A head is started over only after a split or a dropped
 * lock, and mmu_lock is dropped before anything was split only for a reason that can run out. A fault is tried again for an
 * invalidation only if there was one.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { KernelBug } from '../mmu/bug.ts';
import { EAGAIN } from '../mmu/errno.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { hex } from './naming.ts';
import { PerActor, type StepBroken, StepCheckBase } from './step-check.ts';
import type { StepCheckFamily } from './types.ts';

/** What one actor's pass has done since something was split last. */
class Progress {
  head = 0;
  /** Of the head in work: how often it was started over, and what may have caused that. */
  restarts = 0;
  splits = 0;
  drops = 0;
  /** Holds of mmu_lock without a split, those of them for a low cache, and others' releases before the first of them. */
  rounds = 0;
  lowRounds = 0;
  releasesBefore = 0;
  low = false;

  reset(): void {
    this.beginHead(0);
    this.rounds = 0;
    this.lowRounds = 0;
  }

  beginHead(head: number): void {
    this.head = head;
    this.restarts = 0;
    this.splits = 0;
    this.drops = 0;
  }
}

class SplitProgress extends StepCheckBase {
  private readonly passes: PerActor<Progress>;
  /** Releases of mmu_lock by anybody. */
  private releases = 0;

  constructor(kvm: Kvm, report: StepBroken) {
    super(kvm, report);
    this.passes = new PerActor(kvm, () => new Progress());
  }

  override begin(): void {
    this.passes.reset();
    this.releases = 0;
  }

  /** D13 counts what is left undone while everybody gets a turn. */
  override fairSuffix(): void {
    this.passes.forEach((pass) => {
      pass.rounds = 0;
      pass.lowRounds = 0;
      pass.releasesBefore = this.releases;
    });
  }

  override splitPass(cpu: Cpu, _slot: number, _start: number, _end: number, begin: boolean): void {
    if (!begin) return;
    const pass = this.passes.of(cpu);
    pass.reset();
    pass.releasesBefore = this.releases;
  }

  override topup(cpu: Cpu, low: boolean): void {
    this.passes.of(cpu).low = low;
  }

  override writeReleased(): void {
    this.releases++;
  }

  override readReleased(): void {
    this.releases++;
  }

  override splitAttempt(
    cpu: Cpu,
    _gfn: number,
    _level: number,
    _lo: number,
    _hi: number,
    errno: number,
  ): void {
    const pass = this.passes.of(cpu);
    if (errno === 0) {
      pass.splits++;
      pass.rounds = 0;
      pass.lowRounds = 0;
      pass.releasesBefore = this.releases;
      return;
    }
    if (errno !== EAGAIN) return;
    pass.drops++;
    pass.rounds++;
    if (pass.low) pass.lowRounds++;
    else this.checkReason(cpu);
    pass.low = false;
    this.checkRounds(cpu, pass);
  }

  /** D13: without preemption nobody looks at who waits (10.2, B-56), and caches that are full need no filling. */
  private checkReason(cpu: Cpu): void {
    const { preempt, reschedRate } = this.kvm.config;
    if (preempt === 'full' || reschedRate > 0) return;
    this.report(
      cpu,
      'D13',
      `${cpu.name} gave mmu_lock up without a split: its caches were full, nothing else was to be scheduled, and under preempt=${preempt} waiters do not count`,
    );
  }

  /** D13: filled caches stay filled until a split takes from them, and each competitor that comes is let in once. */
  private checkRounds(cpu: Cpu, pass: Progress): void {
    if (pass.lowRounds > 1) {
      this.report(
        cpu,
        'D13',
        `${cpu.name} filled the split caches ${pass.lowRounds} times without a split between`,
      );
      return;
    }
    if (this.kvm.config.reschedRate > 0) return;
    const others = this.releases - pass.releasesBefore - pass.rounds;
    const actors = this.kvm.layout.dims.actors;
    if (pass.rounds - pass.lowRounds <= others + actors) return;
    // A competitor that queued up and is not scheduled afterwards is let in as often as one likes.
    this.kvm.observer.suspected(cpu, {
      id: 'D13',
      text: `${cpu.name} gave mmu_lock up ${pass.rounds} times without a split, and others released it ${others} times meanwhile`,
      words: [],
    });
  }

  override staleFault(cpu: Cpu, gfn: number, seq: number): void {
    const { kvm } = this;
    const now = kvm.get(KVM.invalidateSeq);
    const runs = kvm.get(KVM.invalidateInProgress) !== 0;
    if (seq !== now || (runs && gfn >= kvm.get(KVM.invalidateStart) && gfn < kvm.get(KVM.invalidateEnd)))
      return;
    const text = `${cpu.name} tries its fault on gfn ${hex(gfn)} again for an invalidation, but none has ended since mmu_invalidate_seq was ${seq}, nor is one of it in progress`;
    this.report(cpu, 'D13', text, [kvm.base + KVM.invalidateSeq]);
  }

  override splitRestart(cpu: Cpu, head: number): void {
    const pass = this.passes.of(cpu);
    // The attempt that ends in this restart has been counted already, for the head before if this is the first of its own.
    if (pass.head !== head) {
      const { splits, drops } = pass;
      pass.beginHead(head);
      pass.splits = Math.min(splits, 1);
      pass.drops = Math.min(drops, 1);
    }
    pass.restarts++;
    if (pass.restarts <= pass.splits + pass.drops) return;
    // Thrown, as such a loop may never come to a visible operation again.
    throw new KernelBug(
      'D12',
      `${cpu.name} started a head over ${pass.restarts} times after ${pass.splits} splits and ${pass.drops} drops of mmu_lock in it`,
      [head],
    );
  }
}

export const splitProgress: StepCheckFamily = {
  ids: ['D12', 'D13'],
  make: (kvm, broken) => new SplitProgress(kvm, broken),
};
