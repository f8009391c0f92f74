/** The coordinator's words in the arena: stopping the world, ending it, and seeing who waits for what. */
import {
  ABORT_HARD,
  ABORT_SOFT,
  ACTOR,
  ACTOR_DONE,
  ACTOR_IDLE,
  ACTOR_PARKED,
  ACTOR_WAITING,
  ACTOR_WAITING_LOCKED,
  CONTROL,
} from '../cpu/atomic-cpu.ts';
import { HELD_SLOTS } from '../cpu/cpu.ts';
import { ACTOR_WORDS } from '../arena/layout.ts';
import { describeWord } from '../mmu/describe.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { EXITING_GUEST_MODE, IN_GUEST_MODE, MODE_MASK, VCPU } from '../mmu/vcpu-words.ts';

const STATE_NAMES: Readonly<Record<number, string>> = {
  [ACTOR_IDLE]: 'not started',
  [ACTOR_PARKED]: 'parked',
  [ACTOR_WAITING]: 'waiting',
  [ACTOR_WAITING_LOCKED]: 'waiting inside mmu_lock',
  [ACTOR_DONE]: 'done',
};

export class WorldControl {
  private readonly kvm: Kvm;
  private readonly actors: number;
  private readonly w: Int32Array;

  constructor(kvm: Kvm, actors: number) {
    this.kvm = kvm;
    this.actors = actors;
    this.w = kvm.w;
  }

  row(actor: number): number {
    return this.kvm.layout.actors + actor * ACTOR_WORDS;
  }

  state(actor: number): number {
    return Atomics.load(this.w, this.row(actor) + ACTOR.state);
  }

  /** Asks everybody to park. vCPUs in guest mode are kicked, as they park outside only. */
  requestStop(): void {
    Atomics.store(this.w, this.kvm.layout.control + CONTROL.stop, 1);
    this.kickAll();
  }

  /** True once nobody runs: all parked, done, or blocked outside mmu_lock, and the lock is free. */
  stopped(failed: ReadonlySet<number>): boolean {
    for (let actor = 0; actor < this.actors; actor++) {
      if (failed.has(actor)) continue;
      const state = this.state(actor);
      if (state !== ACTOR_PARKED && state !== ACTOR_WAITING && state !== ACTOR_DONE && state !== ACTOR_IDLE)
        return false;
    }
    return true;
  }

  resume(): void {
    const word = this.kvm.layout.control + CONTROL.stop;
    Atomics.store(this.w, word, 0);
    Atomics.notify(this.w, word);
  }

  abort(hard: boolean): void {
    Atomics.store(this.w, this.kvm.layout.control + CONTROL.abort, hard ? ABORT_HARD : ABORT_SOFT);
    this.kickAll();
    this.resume();
  }

  private kickAll(): void {
    for (let vcpu = 0; vcpu < this.kvm.config.vcpus; vcpu++) {
      const word = this.kvm.vcpuWord(vcpu) + VCPU.mode;
      const seen = Atomics.load(this.w, word);
      if ((seen & MODE_MASK) === IN_GUEST_MODE) {
        Atomics.compareExchange(this.w, word, seen, (seen & ~MODE_MASK) | EXITING_GUEST_MODE);
      }
    }
  }

  /** True once every thread has begun with its actor. */
  allStarted(failed: ReadonlySet<number>): boolean {
    for (let actor = 0; actor < this.actors; actor++) {
      if (!failed.has(actor) && this.state(actor) === ACTOR_IDLE) return false;
    }
    return true;
  }

  /** True if the actor waits for a word. */
  blocked(actor: number): boolean {
    const state = this.state(actor);
    return state === ACTOR_WAITING || state === ACTOR_WAITING_LOCKED;
  }

  private holdsSlots(actor: number): boolean {
    return (Atomics.load(this.w, this.row(actor) + ACTOR.held) & HELD_SLOTS) !== 0;
  }

  /** What an actor is doing, in words. */
  describe(actor: number, name: string): string {
    const state = this.state(actor);
    const waitingOn = Atomics.load(this.w, this.row(actor) + ACTOR.waitingOn);
    if ((state === ACTOR_WAITING || state === ACTOR_WAITING_LOCKED) && waitingOn !== 0) {
      return `${name} waits on ${describeWord(this.kvm, waitingOn - 1)}${state === ACTOR_WAITING_LOCKED ? ' inside mmu_lock' : ''}${this.holdsSlots(actor) ? ', holding slots_lock' : ''}`;
    }
    return `${name} is ${STATE_NAMES[state] ?? 'running'}`;
  }
}
