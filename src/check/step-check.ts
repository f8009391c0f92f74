/** What step checks have in common: the way to report, and one record per actor made ahead. */
import type { Cpu } from '../cpu/cpu.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { Observer } from '../mmu/observer.ts';
import type { StepCheck } from './types.ts';

export type StepBroken = (cpu: Cpu | undefined, id: string, text: string, words?: readonly number[]) => void;

export abstract class StepCheckBase extends Observer implements StepCheck {
  protected readonly kvm: Kvm;
  protected readonly report: StepBroken;

  constructor(kvm: Kvm, report: StepBroken) {
    super();
    this.kvm = kvm;
    this.report = report;
  }

  abstract begin(kvm: Kvm): void;
  atEnd(_kvm: Kvm): void {}
}

/** For a machine on which the family has nothing to look at: listens to no hook, so that none is slower for it. */
export class NothingToCheck extends StepCheckBase {
  override begin(): void {}
}

/** One record per actor: events of different actors interleave. */
export class PerActor<T extends { reset(): void }> {
  private readonly make: () => T;
  private readonly all: T[] = [];

  constructor(kvm: Kvm, make: () => T) {
    this.make = make;
    for (let actor = 0; actor < kvm.layout.dims.actors; actor++) this.all.push(make());
  }

  of(cpu: Cpu): T {
    while (cpu.actor >= this.all.length) this.all.push(this.make());
    return this.all[cpu.actor]!;
  }

  forEach(visit: (record: T) => void): void {
    this.all.forEach(visit);
  }

  reset(): void {
    for (const record of this.all) record.reset();
  }
}
