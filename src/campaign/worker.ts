/** What a worker thread does with a task: loads the engine, equips the actor, runs it. */
import { loadScenario } from '../scenario/load.ts';
import { Observer } from '../mmu/observer.ts';
import { runActor, type ActorReply, type ActorTask } from '../runtime/parallel-actor.ts';
import { ActorProbe, SplitTimer, type ActorMeasures } from './equipment.ts';
import { loadEngine } from './variants.ts';

export async function runActorTask(task: ActorTask): Promise<ActorReply<ActorMeasures>> {
  const engine = await loadEngine(task.variants);
  const custom = task.scenarioFile === undefined ? undefined : (await loadScenario(task.scenarioFile)).actors;
  const timer = new SplitTimer(task.startNs);
  let probe: ActorProbe | undefined;
  return runActor<ActorMeasures>(task, {
    engine,
    custom,
    observer: (_kvm, report) => new (class extends Observer {
      override broken = report;
      override splitPass(_c: unknown, _s: number, _a: number, _b: number, begin: boolean): void { timer.pass(begin); }
    })(),
    probe: (kvm) => (probe = new ActorProbe(kvm, task)),
    measures: () => probe!.measures(timer.total),
  });
}
