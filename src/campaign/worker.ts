/** What a worker thread does with a task: loads the engine, equips the actor, runs it. */
import { PARALLEL_STEP_CHECKS } from '../check/all.ts';
import { fanOut } from '../check/fan-out.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { Observer, type RuleBreak } from '../mmu/observer.ts';
import { ownActors } from '../scenario/load.ts';
import { runActor, type ActorReply, type ActorTask } from '../runtime/parallel-actor.ts';
import { ActorProbe, SplitTimer, type ActorMeasures } from './equipment.ts';
import { loadEngine } from './variants.ts';

/** Hands on what the model reports, and times the split passes. */
class WorkerObserver extends Observer {
  private readonly report: (cpu: Cpu | undefined, rule: RuleBreak) => void;
  private readonly timer: SplitTimer;

  constructor(report: (cpu: Cpu | undefined, rule: RuleBreak) => void, timer: SplitTimer) {
    super();
    this.report = report;
    this.timer = timer;
  }

  override broken(cpu: Cpu, rule: RuleBreak): void {
    this.report(cpu, rule);
  }

  override splitPass(_cpu: Cpu, _slot: number, _start: number, _end: number, begin: boolean): void {
    this.timer.pass(begin);
  }
}

export async function runActorTask(task: ActorTask): Promise<ActorReply<ActorMeasures>> {
  const engine = await loadEngine(task.variants);
  const custom = await ownActors(task.machine, task.scenarioFile);
  const timer = new SplitTimer(task.startNs);
  let probe: ActorProbe | undefined;
  return runActor<ActorMeasures>(task, {
    engine,
    custom,
    observer: (kvm, report) => {
      const steps = PARALLEL_STEP_CHECKS.map((family) =>
        family.make(kvm, (cpu, id, text, words) => report(cpu, { id, text, words: words ?? [] })),
      );
      for (const step of steps) step.begin(kvm);
      return fanOut([...steps, new WorkerObserver(report, timer)]);
    },
    probe: (kvm) => (probe = new ActorProbe(kvm, task)),
    measures: () => probe!.measures(timer.total),
  });
}
