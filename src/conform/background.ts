/**
 * A vCPU that runs in the background of the main thread. Which of the two goes on is decided by the recording: each of its
 * events is let come in its order. Between two of them the guest runs on until it comes to an access that the recording has
 * fault, and waits there for its turn: what a guest does without a fault is told by nobody, and is done early.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import type { Vcpu } from '../mmu/vcpu.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { EventType } from './events.ts';
import { GuestGate } from './guest-gate.ts';
import { guestRun, type GuestRun } from './guest-run.ts';
import { NotPerformable } from './machine.ts';
import type { OrderGuide } from './order-guide.ts';

/** Steps without an end that mean that nobody will ever go on. */
const MAX_STEPS = 200_000_000;

/** Events of a guest that come after a fault is over: what is left of the fault is told by nobody. */
const BETWEEN_FAULTS: ReadonlySet<EventType> = new Set(['kvm_page_fault', 'kvm_nested_vmexit_inject']);

/** A gate that opens when the recording has the background act. */
class GuidedGate extends GuestGate {
  private readonly guide: OrderGuide;
  /** The operation in progress: events of later ones are not due. */
  op = 0;

  constructor(guide: OrderGuide) {
    super();
    this.guide = guide;
  }

  private get due(): boolean {
    return this.guide.next('background') === undefined || this.guide.wants(this.op) === 'background';
  }

  override mayTouch(page: number): boolean {
    const next = this.guide.next('background');
    return next?.type !== 'kvm_page_fault' || next.page !== page || this.due;
  }

  override mayTell(): boolean {
    return this.due;
  }
}

export class Background {
  readonly vcpu: Vcpu;
  done = false;
  private readonly guide: OrderGuide;
  private readonly gate: GuidedGate;
  private readonly steps: Steps<void>;

  constructor(vcpu: Vcpu, recorder: EventRecorder, run: GuestRun, guide: OrderGuide) {
    this.vcpu = vcpu;
    this.guide = guide;
    this.gate = new GuidedGate(guide);
    this.steps = guestRun(vcpu, recorder, run, this.gate);
  }

  /**
   * Runs what the main thread does in operation `op`, and the guest beside it as far as its events belong to this operation.
   * @param early the main thread goes first while this is true, if it can: it has something to do that no event tells
   * @param toEnd the guest is waited for
   */
  during<T>(op: number, cpu: Cpu, main: Steps<T>, early: () => boolean = () => false, toEnd = false): T {
    this.gate.op = toEnd ? Infinity : op;
    let result: { readonly value: T } | undefined;
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      if (this.runsOn()) {
        this.step();
        continue;
      }
      const wantsGuest = this.guide.wants(this.gate.op) === 'background';
      if (result !== undefined) {
        if (this.done || !(wantsGuest || toEnd)) return result.value;
        if (this.isBlocked()) throw new NotPerformable(`operation ${op}: the background vCPU waits for ever`);
        this.step();
      } else if (
        (wantsGuest && this.canStep() && !(early() && !isBlocked(cpu, this.vcpu.kvm.w))) ||
        isBlocked(cpu, this.vcpu.kvm.w)
      ) {
        if (!this.canStep()) throw new NotPerformable(`operation ${op}: both threads wait for each other`);
        this.step();
      } else {
        const step = main.next();
        if (step.done === true) {
          result = step;
          cpu.at(Op.Pause, 0);
        }
      }
    }
    throw new NotPerformable(`operation ${op}: no end after ${MAX_STEPS} steps`);
  }

  /** The guest does what no event tells. */
  private runsOn(): boolean {
    if (!this.canStep() || this.gate.waiting) return false;
    const next = this.guide.next('background');
    return !this.gate.outside || next === undefined || BETWEEN_FAULTS.has(next.type);
  }

  private canStep(): boolean {
    return !this.done && !this.isBlocked();
  }

  private isBlocked(): boolean {
    return isBlocked(this.vcpu.cpu, this.vcpu.kvm.w);
  }

  private step(): void {
    if (this.steps.next().done === true) this.done = true;
  }
}

const isBlocked = (cpu: Cpu, w: Int32Array): boolean =>
  cpu.pendingOp === Op.Wait && w[cpu.pendingWord] === cpu.pendingExpected;
