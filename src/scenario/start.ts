/** Bringing a machine to life in an arena: boot, population, and one actor at a time. */
import type { ActorSpec, CustomActor } from '../actors/context.ts';
import { makeActor } from '../actors/make.ts';
import type { Arena } from '../arena/arena.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { mix, Stream } from '../cpu/random.ts';
import { PlainCpu, RunLog } from '../cpu/plain-cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { bootVm, loadRoot } from '../mmu/boot.ts';
import { clearDirtyLog, disableDirtyLogging, enableDirtyLogging } from '../mmu/dirty-log.ts';
import type { Engine } from '../mmu/engine.ts';
import { RET_PF_EMULATE, RET_PF_INJECT } from '../mmu/errno.ts';
import { guestFault } from '../mmu/guest-fault.ts';
import { accessGuestMemory } from '../mmu/guest-memory.ts';
import { translate, WALK_FORBIDDEN, WALK_MMIO } from '../mmu/hardware.ts';
import { KVM, Kvm } from '../mmu/kvm.ts';
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE } from '../mmu/shadow/walk-addr.ts';
import { ROOT_L1 } from '../mmu/vcpu-words.ts';
import { enterGuest, exitGuest, Vcpu } from '../mmu/vcpu.ts';
import type { TouchSpec } from './define.ts';
import type { Machine } from './build.ts';
import { ScenarioError } from './validate.ts';

export const ACCESS_BITS = { read: ACCESS_READ, write: ACCESS_WRITE, exec: ACCESS_EXEC } as const;

/** One access of L2, or of L1 under ROOT_L1, with whatever faults it takes; false if L1 forbids it. */
export function* touchPage(vcpu: Vcpu, root: number, l2Gfn: number, access: number): Steps<boolean> {
  const { kvm, cpu } = vcpu;
  yield* loadRoot(vcpu, root);
  for (let attempt = 0; attempt < 16; attempt++) {
    const pfn = yield* translate(vcpu, l2Gfn, access);
    if (pfn >= 0) {
      const write = access === ACCESS_WRITE;
      if (cpu.stepped && cpu.stops(write ? Op.Add : Op.Load, kvm.layout.memory + pfn)) yield;
      accessGuestMemory(vcpu, l2Gfn, pfn, write);
      return true;
    }
    const result = yield* guestFault(vcpu, l2Gfn, access, pfn === WALK_FORBIDDEN, pfn === WALK_MMIO);
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

/** Nothing goes wrong while a machine boots: faults of the environment are for the actors. */
class BootCpu extends PlainCpu {
  override chance(): boolean {
    return false;
  }
}

/** Boots the VM and makes the accesses that come before the actors. */
export function bootMachine(machine: Machine, arena: Arena, engine: Engine): Kvm {
  const kvm = new Kvm(machine.config, arena, engine);
  bootVm(kvm);
  const log = new RunLog();
  const vcpus = Array.from({ length: machine.config.vcpus }, (_, index) => {
    const cpu = new BootCpu(arena, log, { actor: index, name: `boot of vCPU ${index}`, cls: 'other' }, false);
    return new Vcpu(kvm, cpu, index);
  });
  // Every vCPU has all roots of what it runs loaded before it starts, the first one in use.
  const l2 = vcpus.slice(0, vcpus.length - machine.config.l1Vcpus);
  const l1 = vcpus.slice(l2.length);
  for (const vcpu of l2) {
    for (let root = machine.config.roots.length - 1; root >= 0; root--) runAlone(loadRoot(vcpu, root));
  }
  for (const vcpu of l1) runAlone(loadRoot(vcpu, ROOT_L1));
  for (const past of machine.populate) {
    if ('logCycle' in past) cycleLog(kvm, vcpus[0]!.cpu, past.logCycle);
    else populate(past.root === ROOT_L1 ? l1 : l2, past);
  }
  for (const vcpu of l2) runAlone(loadRoot(vcpu, 0));
  kvm.dividePools();
  return kvm;
}

function cycleLog(kvm: Kvm, cpu: Cpu, slotId: number): void {
  const slot = kvm.slots.find(({ config }) => config.id === slotId);
  if (slot === undefined) throw new ScenarioError(`populate: there is no memslot ${slotId} to be logged`);
  runAlone(enableDirtyLogging(kvm, cpu, slot));
  if (kvm.get(KVM.manualProtect) !== 0) {
    runAlone(clearDirtyLog(kvm, cpu, slot, 0, slot.npages, { lo: -1, hi: -1 }));
  }
  runAlone(disableDirtyLogging(kvm, cpu, slot));
}

function populate(vcpus: readonly Vcpu[], spec: TouchSpec): void {
  const root = spec.root ?? 0;
  for (let k = 0; k < (spec.count ?? 1); k++) {
    const vcpu = vcpus[(spec.vcpu ?? k) % vcpus.length]!;
    const l2Gfn = spec.l2Gfn + k * (spec.stride ?? 1);
    if (spec.enters === true && runAlone(enterGuest(vcpu))) runAlone(exitGuest(vcpu));
    if (!runAlone(touchPage(vcpu, root, l2Gfn, ACCESS_BITS[spec.access]))) {
      throw new ScenarioError(
        `populate: L1's tables forbid a ${spec.access} of L2 gfn ${l2Gfn} under root ${root}`,
      );
    }
  }
}

/** Seeds an actor's streams for one schedule; a draw in one stream never shifts another (design 2.2). */
export function seedActor(cpu: Cpu, master: number, schedule: number): void {
  cpu.seed(
    mix(master, schedule, Stream.choice, cpu.actor),
    mix(master, schedule, Stream.workload, cpu.actor),
  );
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
