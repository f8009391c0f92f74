/** Bringing a machine to life in an arena: boot, population, and one actor at a time. */
import type { ActorSpec, CustomActor } from '../actors/context.ts';
import { makeActor } from '../actors/make.ts';
import type { Arena } from '../arena/arena.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { mix, Stream } from '../cpu/random.ts';
import { PlainCpu, RunLog } from '../cpu/plain-cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { bootVm, loadRoot } from '../mmu/boot.ts';
import type { Engine } from '../mmu/engine.ts';
import { RET_PF_EMULATE, RET_PF_INJECT } from '../mmu/errno.ts';
import { translate, WALK_FORBIDDEN } from '../mmu/hardware.ts';
import { Kvm } from '../mmu/kvm.ts';
import { pageFault } from '../mmu/shadow/fault.ts';
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE } from '../mmu/shadow/walk-addr.ts';
import { Vcpu } from '../mmu/vcpu.ts';
import type { PopulateSpec } from './define.ts';
import type { Machine } from './build.ts';
import { ScenarioError } from './validate.ts';

export const ACCESS_BITS = { read: ACCESS_READ, write: ACCESS_WRITE, exec: ACCESS_EXEC } as const;

/** One L2 access with whatever faults it takes; false if L1 forbids it. */
export function* touchPage(vcpu: Vcpu, root: number, l2Gfn: number, access: number): Steps<boolean> {
  const { kvm, cpu } = vcpu;
  yield* loadRoot(vcpu, root);
  for (let attempt = 0; attempt < 16; attempt++) {
    const pfn = yield* translate(vcpu, l2Gfn, access);
    if (pfn >= 0) {
      const word = kvm.layout.memory + pfn;
      if (access === ACCESS_WRITE) {
        if (cpu.stepped) yield cpu.at(Op.Add, word);
        cpu.add(word, 1);
      } else {
        if (cpu.stepped) yield cpu.at(Op.Load, word);
        cpu.load(word);
      }
      return true;
    }
    const result = yield* pageFault(vcpu, l2Gfn, access, pfn === WALK_FORBIDDEN);
    if (result === RET_PF_INJECT) return false;
    if (result === RET_PF_EMULATE) return true;
  }
  throw new Error(`L2 gfn ${l2Gfn} still faults after 16 faults were handled`);
}

/** Runs a generator that cannot block, with nobody else running. */
export function runAlone<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Boots the VM and makes the accesses that come before the actors. */
export function bootMachine(machine: Machine, arena: Arena, engine: Engine): Kvm {
  const kvm = new Kvm(machine.config, arena, engine);
  bootVm(kvm);
  const log = new RunLog();
  const vcpus = Array.from({ length: machine.config.vcpus }, (_, index) => {
    const cpu = new PlainCpu(
      arena,
      log,
      { actor: index, name: `boot of vCPU ${index}`, cls: 'other' },
      false,
    );
    return new Vcpu(kvm, cpu, index);
  });
  // Every vCPU has all roots loaded before it starts, the first one in use.
  for (const vcpu of vcpus) {
    for (let root = machine.config.roots.length - 1; root >= 0; root--) runAlone(loadRoot(vcpu, root));
  }
  for (const access of machine.populate) populate(vcpus, access);
  for (const vcpu of vcpus) runAlone(loadRoot(vcpu, 0));
  return kvm;
}

function populate(vcpus: readonly Vcpu[], spec: PopulateSpec): void {
  const root = spec.root ?? 0;
  for (let k = 0; k < (spec.count ?? 1); k++) {
    const vcpu = vcpus[(spec.vcpu ?? k) % vcpus.length]!;
    const l2Gfn = spec.l2Gfn + k * (spec.stride ?? 1);
    if (!runAlone(touchPage(vcpu, root, l2Gfn, ACCESS_BITS[spec.access]))) {
      throw new ScenarioError(
        `populate: L1's tables forbid a ${spec.access} of L2 gfn ${l2Gfn} under root ${root}`,
      );
    }
  }
}

/** Seeds an actor's streams for one schedule; a draw in one stream never shifts another (design 2.2). */
export function seedActor(cpu: Cpu, master: number, schedule: number): void {
  cpu.choices.seed(mix(master, schedule, Stream.choice, cpu.actor));
  cpu.workload.seed(mix(master, schedule, Stream.workload, cpu.actor));
}

/** Starts the actor `index` of the machine on a cpu. */
export function startActor(
  kvm: Kvm,
  cpu: Cpu,
  spec: ActorSpec,
  custom: Readonly<Record<string, CustomActor>> | undefined,
): Steps<void> {
  return makeActor({ kvm, cpu }, spec, custom ?? {});
}
