/**
 * A vCPU that runs in the background of the main thread. Which of the two goes on is decided by the recording: each of its
 * events is let come in its order. Between two of them the guest runs on until it comes to an access that the recording has
 * fault, and waits there for its turn: what a guest does without a fault is told by nobody, and is done early.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { isLastSpte, isShadowPresent, isWritable } from '../mmu/format.ts';
import { roleLevel } from '../mmu/role.ts';
import { walkIndex } from '../mmu/shadow/walk-addr.ts';
import { spRole, sptepOf } from '../mmu/shadow-page.ts';
import { spteChildSp } from '../mmu/spte.ts';
import type { Vcpu } from '../mmu/vcpu.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { EventType } from './events.ts';
import { GuestGate } from './guest-gate.ts';
import { guestRun, type GuestRun } from './guest-run.ts';
import { NotPerformable } from './machine.ts';
import type { OrderGuide } from './order-guide.ts';

/** Steps without an event that mean that nobody will ever go on; a pass over a large slot tells nothing for long. */
const MAX_IDLE_STEPS = 4_000_000;

/** Events of a guest that come after a fault is over: what is left of the fault is told by nobody. */
const BETWEEN_FAULTS: ReadonlySet<EventType> = new Set(['kvm_page_fault', 'kvm_nested_vmexit_inject']);

/** A gate that opens when the recording has the background act. */
class GuidedGate extends GuestGate {
  private readonly guide: OrderGuide;
  private readonly vcpu: Vcpu;
  /** The operation in progress: events of later ones are not due. */
  op = 0;
  /** The guest's turn has come, but the main thread has something to do first. */
  heldBack = false;
  /** Events that the main thread had told when the guest's turn came; -1 before. */
  private mainTold = -1;

  constructor(guide: OrderGuide, vcpu: Vcpu) {
    super();
    this.guide = guide;
    this.vcpu = vcpu;
  }

  private get due(): boolean {
    // At its end nobody else has a turn.
    if (this.op === Infinity) return true;
    return this.guide.next('background') === undefined || this.guide.wants(this.op) === 'background';
  }

  override mayTouch(page: number): boolean {
    const next = this.guide.next('background');
    if (next?.type !== 'kvm_page_fault' || next.page !== page) return true;
    this.heldBack = false;
    if (!this.due) {
      this.mainTold = -1;
      return false;
    }
    if (!next.writeProtected || isWriteProtected(this.vcpu, page)) return true;
    // The main thread has still to protect the page, which no event tells; it goes first as long as it tells nothing else.
    if (this.mainTold === -1) this.mainTold = this.guide.told('main');
    this.heldBack = this.guide.told('main') === this.mainTold;
    return !this.heldBack;
  }

  /** True if the guest is held back still. */
  asksAgain(): boolean {
    const page = this.guide.next('background')?.page ?? -1;
    return !this.mayTouch(page) && this.heldBack;
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
    this.gate = new GuidedGate(guide, vcpu);
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
    let told = -1;
    for (let steps = 0; steps < MAX_IDLE_STEPS; steps++) {
      const now = this.guide.told('main') + this.guide.told('background');
      if (now !== told) steps = 0;
      told = now;
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
        (wantsGuest &&
          this.canStep() &&
          !((early() || this.holdsBack()) && !isBlocked(cpu, this.vcpu.kvm.w))) ||
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
    throw new NotPerformable(`operation ${op}: nothing is told for ${MAX_IDLE_STEPS} steps`);
  }

  /** The guest does what no event tells. */
  private runsOn(): boolean {
    if (!this.canStep() || this.gate.waiting) return false;
    const next = this.guide.next('background');
    return !this.gate.outside || next === undefined || BETWEEN_FAULTS.has(next.type);
  }

  /** Asks the gate, as its answer may have changed since the guest did. */
  private holdsBack(): boolean {
    return this.gate.waiting && this.gate.heldBack && this.gate.asksAgain();
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

/** The leaf that the vCPU's tables have for the page is present, and not writable. */
function isWriteProtected(vcpu: Vcpu, page: number): boolean {
  const { kvm, rootSp } = vcpu;
  if (rootSp === 0) return false;
  let level = roleLevel(spRole(kvm, rootSp));
  for (let sp = rootSp; ; level--) {
    const q = sptepOf(kvm, sp, walkIndex(kvm, page, level)) * 2;
    const lo = kvm.w[q]!;
    if (!isShadowPresent(lo)) return false;
    if (isLastSpte(lo, level)) return !isWritable(lo);
    sp = spteChildSp(kvm, lo, kvm.w[q + 1]!);
  }
}
