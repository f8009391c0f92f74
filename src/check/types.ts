/** What a check is (design 6). State checks walk a quiescent arena; step checks observe the model as it runs. */
import type { Cpu } from '../cpu/cpu.ts';
import type { Kvm } from '../mmu/kvm.ts';
import type { Observer } from '../mmu/observer.ts';

/** Reports a broken invariant: its id, what was found, the words involved. */
export type ReportBroken = (id: string, text: string, words?: readonly number[]) => void;

/** When a state check runs in the controlled runtime. In the parallel one all run at every stop of the world. */
export type CheckTime =
  /** After every write section of mmu_lock: cheap, or about states that heal later. */
  | 'release'
  /** When all actors have ended, and at sampled releases. */
  | 'end';

/** A family of state checks that share one walk. */
export interface StateCheck {
  /** Ids of kernel-facts 6 it can report. */
  readonly ids: readonly string[];
  readonly when: CheckTime;
  /** It looks at the TDP MMU: then it also runs when the last reader of mmu_lock has left. */
  readonly tdp?: boolean;
  run(kvm: Kvm, broken: ReportBroken): void;
}

/** A step check: an observer made for one run. `begin` forgets the last schedule. */
export interface StepCheck extends Observer {
  begin(kvm: Kvm): void;
  /** All actors have ended. */
  atEnd(kvm: Kvm): void;
}

export interface StepCheckFamily {
  readonly ids: readonly string[];
  make(
    kvm: Kvm,
    broken: (cpu: Cpu | undefined, id: string, text: string, words?: readonly number[]) => void,
  ): StepCheck;
}

/** One invariant for the lists: its id, its sentence, where it is checked. */
export interface Invariant {
  readonly id: string;
  readonly sentence: string;
  /** `inside` the model as it runs, as a `state` of a quiescent machine, or at a `step`. */
  readonly kind: 'state' | 'step' | 'inside';
  readonly runtimes: readonly ('controlled' | 'parallel')[];
  readonly cost: string;
}
