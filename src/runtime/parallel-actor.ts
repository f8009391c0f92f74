/** The worker's side of the parallel runtime: one actor, run to its end on this thread. */
import { availableParallelism } from 'node:os';
import type { CustomActor } from '../actors/context.ts';
import { actorIdentity } from '../actors/context.ts';
import { Arena } from '../arena/arena.ts';
import { ACTOR_WORDS, computeLayout } from '../arena/layout.ts';
import { ACTOR_DONE, ACTOR_RUNNING, ActorAborted, AtomicCpu } from '../cpu/atomic-cpu.ts';
import { COUNTER_ROW } from '../cpu/counters.ts';
import type { Cpu, LockProbe } from '../cpu/cpu.ts';
import { KernelBug } from '../mmu/bug.ts';
import type { Engine } from '../mmu/engine.ts';
import { Kvm } from '../mmu/kvm.ts';
import type { Observer, RuleBreak } from '../mmu/observer.ts';
import type { Machine } from '../scenario/build.ts';
import { seedActor, startActor } from '../scenario/start.ts';
import type { Violation } from './outcome.ts';

/** What a worker is handed. Plain data and shared buffers. */
export interface ActorTask {
  readonly machine: Machine;
  readonly buffer: SharedArrayBuffer;
  /** Counters of all actors, a row each. */
  readonly counters: SharedArrayBuffer;
  readonly actor: number;
  readonly master: number;
  /** Number of the repetition: seeds the actor's streams. */
  readonly repetition: number;
  readonly spins: number;
  /** `process.hrtime` at the start of the repetition, in nanoseconds: one time base for all workers. */
  readonly startNs: number;
  /** Names or paths of the variants, and the scenario file if it brings actors. */
  readonly variants: readonly string[];
  readonly scenarioFile: string | undefined;
}

export interface ActorReply<Measures> {
  readonly actor: number;
  /** `aborted` if the coordinator ended the run before the actor was through. */
  readonly status: 'done' | 'aborted';
  readonly violations: readonly Violation[];
  readonly measures: Measures;
}

/** What the entry point adds: checks and measures, which live in later layers. */
export interface ActorEquipment<Measures> {
  readonly engine: Engine;
  readonly custom: Readonly<Record<string, CustomActor>> | undefined;
  observer(kvm: Kvm, report: (cpu: Cpu | undefined, rule: RuleBreak) => void): Observer;
  probe(kvm: Kvm): LockProbe | undefined;
  measures(): Measures;
}

/** Violations a worker keeps; more of them say nothing new. */
const MAX_VIOLATIONS = 20;

/** Nanoseconds of the machine's monotonic clock since `startNs`, the same on every thread. */
export const nanosSince = (startNs: number): number => Number(process.hrtime.bigint()) - startNs;

/** Runs the actor. Errors of the harness propagate; broken rules and kernel bugs come back as violations. */
export function runActor<Measures>(
  task: ActorTask,
  equipment: ActorEquipment<Measures>,
): ActorReply<Measures> {
  const layout = computeLayout(task.machine.dims);
  const arena = Arena.attach(layout, task.buffer);
  arena.running = task.actor;
  const kvm = new Kvm(task.machine.config, arena, equipment.engine);
  const spec = task.machine.actors[task.actor]!;
  const cpu = new AtomicCpu(arena, {
    actor: task.actor,
    ...actorIdentity(spec),
    counters: new Float64Array(task.counters, task.actor * COUNTER_ROW * 8, COUNTER_ROW),
    control: layout.control,
    row: layout.actors + task.actor * ACTOR_WORDS,
    clock: () => nanosSince(task.startNs),
    spins: task.spins,
    sharesCores: task.machine.actors.length > availableParallelism(),
  });
  const violations: Violation[] = [];
  const report = (_cpu: Cpu | undefined, rule: RuleBreak): void => {
    if (violations.length < MAX_VIOLATIONS) {
      violations.push({ ...rule, actor: cpu.actor, actorName: cpu.name, step: -1 });
    }
  };
  kvm.observer = equipment.observer(kvm, report);
  cpu.probe = equipment.probe(kvm);
  seedActor(cpu, task.master, task.repetition);
  let status: 'done' | 'aborted' = 'done';
  try {
    cpu.awaitOthers(task.machine.actors.length);
    cpu.setState(ACTOR_RUNNING);
    // A stop may have been asked for while this thread was starting.
    cpu.safepoint();
    const steps = startActor(kvm, cpu, spec, equipment.custom);
    while (steps.next().done !== true);
  } catch (error) {
    if (error instanceof ActorAborted) status = 'aborted';
    else if (error instanceof KernelBug) {
      report(cpu, { id: error.id, text: error.message, words: error.words });
      status = 'aborted';
    } else throw error;
  } finally {
    cpu.setState(ACTOR_DONE);
  }
  return { actor: task.actor, status, violations, measures: equipment.measures() };
}
