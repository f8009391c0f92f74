/**
 * What is done for nothing while others wait. D14: no page is allocated with mmu_lock held since 6.11 (B-57), and a walk for a
 * mask ends with the last page it has a bit for (B-58). D24: turning logging off flushes only for what it has changed (B-23).
 */
import { type Cpu, HELD_MMU_WRITE } from '../cpu/cpu.ts';
import type { Kvm } from '../mmu/kvm.ts';
import type { FlushReason } from '../mmu/observer.ts';
import { PerActor, type StepBroken, StepCheckBase } from './step-check.ts';
import type { StepCheckFamily } from './types.ts';

class Work {
  /** Bits of the mask whose pages the walk has not met yet. */
  readonly left = { lo: 0, hi: 0 };
  /** Leaves looked at after the last of them. */
  beyond = 0;
  /** Something has changed since the last flush. */
  changed = false;

  reset(): void {
    this.beginWalk(0, 0);
    this.changed = false;
  }

  beginWalk(lo: number, hi: number): void {
    this.left.lo = lo;
    this.left.hi = hi;
    this.beyond = 0;
  }
}

class DoneForNothing extends StepCheckBase {
  private readonly actors: PerActor<Work>;

  constructor(kvm: Kvm, report: StepBroken) {
    super(kvm, report);
    this.actors = new PerActor(kvm, () => new Work());
  }

  override begin(): void {
    this.actors.reset();
  }

  override allocatedUnderLock(cpu: Cpu): void {
    if (!this.kvm.engine.tdpAllocDropsLock) return;
    this.report(cpu, 'D14', `${cpu.name} allocates the table of a split, and others wait for mmu_lock`);
  }

  override maskedWalk(cpu: Cpu, lo: number, hi: number): void {
    this.actors.of(cpu).beginWalk(lo, hi);
  }

  override maskedLeaf(cpu: Cpu, bit: number, level: number): void {
    const work = this.actors.of(cpu);
    const { left } = work;
    // Where it sees that it is through it has come to one leaf more.
    if ((left.lo | left.hi) === 0 && ++work.beyond === 2) {
      this.report(
        cpu,
        'D14',
        `${cpu.name} holds mmu_lock and goes over pages for which it has no bit, at ${bit}`,
      );
    }
    if (level > 1 || bit < 0) return;
    if (bit < 32) left.lo &= ~(1 << bit);
    else left.hi &= ~(1 << (bit - 32));
  }

  override spteChanged(cpu: Cpu): void {
    this.actors.of(cpu).changed = true;
  }

  override tdpChanged(cpu: Cpu): void {
    this.actors.of(cpu).changed = true;
  }

  override flush(cpu: Cpu, reason: FlushReason): void {
    const work = this.actors.of(cpu);
    // The TDP MMU, under the read lock, flushes between taking an entry away and dealing with it (6.10).
    if (reason === 'log-off' && !work.changed && (cpu.held & HELD_MMU_WRITE) !== 0) {
      this.report(
        cpu,
        'D24',
        `${cpu.name} flushes after turning logging off, and has changed nothing since its last flush`,
      );
    }
    work.changed = false;
  }
}

export const doneForNothing: StepCheckFamily = {
  ids: ['D14', 'D24'],
  make: (kvm, broken) => new DoneForNothing(kvm, broken),
};
