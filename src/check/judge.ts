/** The judge of the controlled runtime: step checks as the model runs, state checks when mmu_lock was dropped and at the end. */
import type { Cpu } from '../cpu/cpu.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { Observer, type RuleBreak } from '../mmu/observer.ts';
import type { Judge } from '../runtime/controlled.ts';
import { fanOut } from './fan-out.ts';
import { hasReaders } from './quiescent.ts';
import { CheckRunner } from './run-checks.ts';
import type { StateCheck, StepCheck, StepCheckFamily } from './types.ts';

export interface JudgeOptions {
  readonly stateChecks: readonly StateCheck[];
  readonly stepChecks: readonly StepCheckFamily[];
  /** Part of the releases of mmu_lock after which `release` checks run: 1 every one, 0.25 every fourth, 0 none. */
  readonly releaseRate?: number | undefined;
  /** Part of those rounds that take the `end` checks along. */
  readonly endRate?: number | undefined;
}

const DEFAULT_END_RATE = 1 / 32;

/** Counts, so that a schedule is judged the same way each time it runs. */
class Sampler {
  private readonly rate: number;
  private due = 0;

  constructor(rate: number) {
    this.rate = rate;
  }

  reset(): void {
    this.due = 0;
  }

  next(): boolean {
    this.due += this.rate;
    if (this.due < 1) return false;
    this.due -= 1;
    return true;
  }
}

type Report = (cpu: Cpu | undefined, rule: RuleBreak) => void;

/** What is reported from inside the model, and the state checks at a release. Comes after the step checks. */
class ReleaseChecks extends Observer {
  private readonly kvm: Kvm;
  private readonly report: Report;
  private readonly atRelease: readonly StateCheck[];
  private readonly atSample: readonly StateCheck[];
  /** Of those at a release, the ones that look at the TDP MMU. */
  private readonly atReaders: readonly StateCheck[];
  private readonly releases: Sampler;
  private readonly samples: Sampler;
  private readonly runner: CheckRunner;
  private cpu: Cpu | undefined;

  constructor(kvm: Kvm, report: Report, options: JudgeOptions) {
    super();
    this.kvm = kvm;
    this.report = report;
    this.atRelease = options.stateChecks.filter((check) => check.when === 'release');
    this.atReaders = this.atRelease.filter((check) => check.tdp === true);
    this.atSample = options.stateChecks.filter((check) => check.when === 'end');
    this.releases = new Sampler(options.releaseRate ?? 1);
    this.samples = new Sampler(options.endRate ?? DEFAULT_END_RATE);
    this.runner = new CheckRunner((id, text, words) => report(this.cpu, { id, text, words: words ?? [] }));
  }

  reset(): void {
    this.releases.reset();
    this.samples.reset();
  }

  override broken(cpu: Cpu, rule: RuleBreak): void {
    this.report(cpu, rule);
  }

  override writeReleased(cpu: Cpu): void {
    // A lock that lets two in is reported as D1; what such a section leaves behind is not quiescent.
    if (!this.releases.next() || this.kvm.w[this.kvm.mmuLock.owner] !== 0) return;
    this.cpu = cpu;
    this.runner.run(this.kvm, this.atRelease);
    if (this.samples.next()) this.runner.run(this.kvm, this.atSample);
  }

  /** Readers change the TDP MMU only, and their work is at rest when the last of them has left. */
  override readReleased(cpu: Cpu): void {
    const { kvm } = this;
    if (this.atReaders.length === 0 || hasReaders(kvm) || !this.releases.next()) return;
    if (kvm.w[kvm.mmuLock.owner] !== 0) return;
    this.cpu = cpu;
    this.runner.run(kvm, this.atReaders);
  }

  /** After it there is little left to look at, so the checks of the end have their turn before. */
  override teardown(cpu: Cpu): void {
    if (hasReaders(this.kvm) || this.kvm.w[this.kvm.mmuLock.owner] !== 0) return;
    this.cpu = cpu;
    this.runner.run(this.kvm, this.atRelease);
    this.runner.run(this.kvm, this.atSample);
  }

  end(): void {
    this.cpu = undefined;
    this.runner.run(this.kvm, this.atRelease);
    this.runner.run(this.kvm, this.atSample);
  }
}

/** A judge serves one machine: each ControlledRuntime takes its own. */
export function makeJudge(options: JudgeOptions): Judge {
  let steps: readonly StepCheck[] = [];
  let states: ReleaseChecks | undefined;
  return {
    observer(kvm, report) {
      steps = options.stepChecks.map((family) =>
        family.make(kvm, (cpu, id, text, words) => report(cpu, { id, text, words: words ?? [] })),
      );
      states = new ReleaseChecks(kvm, report, options);
      return fanOut([...steps, states]);
    },
    begin(kvm) {
      for (const step of steps) step.begin(kvm);
      states?.reset();
    },
    atEnd(kvm) {
      for (const step of steps) step.atEnd(kvm);
      states?.end();
    },
  };
}
