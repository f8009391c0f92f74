/** What a worker of the parallel runtime carries besides its actor: step checks, lock recorder, yield latency, split time. */
import { LOCK_MMU } from '../locks/probe.ts';
import type { Cpu, LockProbe } from '../cpu/cpu.ts';
import { actorIdentity } from '../actors/context.ts';
import { DropLatency, type DropLatencyData } from '../measure/drop-latency.ts';
import { LockRecorder, type LockStats } from '../measure/lock-stats.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { nanosSince, type ActorTask } from '../runtime/parallel-actor.ts';

/** One actor's measures as plain data. */
export interface ActorMeasures {
  readonly locks: LockStats;
  readonly dropLatency: DropLatencyData;
  /** Nanoseconds spent in split passes. */
  readonly splitNs: number;
}

/** Microseconds fit a word of the arena for half an hour; 0 means that nobody waits. */
const toMicros = (ns: number): number => Math.max(1, Math.round(ns / 1000) & 0x7fffffff);

/** Records locks, and how long the first waiter had to wait for the drop (design 8). */
export class ActorProbe implements LockProbe {
  private readonly kvm: Kvm;
  private readonly recorder: LockRecorder;
  private readonly latency = new DropLatency('ns');

  constructor(kvm: Kvm, task: ActorTask) {
    this.kvm = kvm;
    const spec = task.machine.actors[task.actor]!;
    this.recorder = new LockRecorder({
      actor: task.actor,
      cls: actorIdentity(spec).cls,
      unit: 'ns',
      classes: task.machine.actors.map((actor) => actorIdentity(actor).cls),
      previousOwner: (lock) =>
        lock === LOCK_MMU ? Atomics.load(kvm.w, kvm.base + KVM.mmuLastOwner) - 1 : -1,
    });
  }

  contended(cpu: Cpu): void {
    Atomics.compareExchange(this.kvm.w, this.kvm.base + KVM.firstWaiter, 0, toMicros(cpu.now()));
  }

  acquired(cpu: Cpu, lock: number, write: boolean, contended: boolean, wait: number): void {
    this.recorder.acquired(cpu, lock, write, contended, wait);
  }

  released(cpu: Cpu, lock: number, write: boolean, hold: number): void {
    this.recorder.released(cpu, lock, write, hold);
    if (lock !== LOCK_MMU || !write) return;
    const since = Atomics.exchange(this.kvm.w, this.kvm.base + KVM.firstWaiter, 0);
    if (since !== 0) this.latency.record(Math.max(0, toMicros(cpu.now()) - since) * 1000);
  }

  measures(splitNs: number): ActorMeasures {
    return { locks: this.recorder.serialize(), dropLatency: this.latency.serialize(), splitNs };
  }
}

/** Adds up the time of split passes. */
export class SplitTimer {
  private readonly startNs: number;
  private began = 0;
  total = 0;

  constructor(startNs: number) {
    this.startNs = startNs;
  }

  pass(begin: boolean): void {
    const now = nanosSince(this.startNs);
    if (begin) this.began = now;
    else this.total += now - this.began;
  }
}
