/** Small machines described in one line, booted or under the controlled runtime, and what can be read off them. */
import type { CustomActor } from '../../src/actors/context.ts';
import { Arena } from '../../src/arena/arena.ts';
import { C, type CounterName } from '../../src/cpu/counters.ts';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { PlainCpu, RunLog } from '../../src/cpu/plain-cpu.ts';
import type { Steps } from '../../src/cpu/steps.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { isLastSpte } from '../../src/mmu/format.ts';
import { KVM, type Kvm } from '../../src/mmu/kvm.ts';
import type { MemSlot } from '../../src/mmu/memslot.ts';
import { Observer, type FlushReason, type RuleBreak } from '../../src/mmu/observer.ts';
import { roleLevel } from '../../src/mmu/role.ts';
import { SP, spRole, sptepOf } from '../../src/mmu/shadow-page.ts';
import { enterGuest, exitGuest, Vcpu } from '../../src/mmu/vcpu.ts';
import {
  ControlledRuntime,
  type ControlledOptions,
  type ControlledResult,
} from '../../src/runtime/controlled.ts';
import type { Scheduler } from '../../src/runtime/scheduler.ts';
import { buildMachine, layoutThatFits, type Machine } from '../../src/scenario/build.ts';
import { defineScenario, type MachineSpec, type MappingSpec, type Units } from '../../src/scenario/define.ts';
import { bootMachine, runAlone, touchPage, ACCESS_BITS } from '../../src/scenario/start.ts';

export type Given = Readonly<Record<string, unknown>>;
export const LIMIT = 2 ** 31;

/** A machine of the exploration size (tables of four entries) unless `given` says otherwise. */
export function machineOf(spec: (units: Units) => MachineSpec, given: Given = {}): Machine {
  const scenario = defineScenario({
    name: 'test',
    summary: 'a test',
    about: '',
    facts: [],
    machine: (_p, units) => spec(units),
  });
  return buildMachine(scenario, 'explore', { reschedRate: 0, ...given });
}

/** One root with these mappings; everything they reach is written to once, or nothing. */
export const rootOf =
  (mappings: (units: Units) => readonly MappingSpec[], populate: MachineSpec['populate'] = 'all') =>
  (units: Units): MachineSpec => ({ roots: [{ name: 'L2', mappings: mappings(units) }], populate });

/** All of the memory one to one by pages of `level`. */
export const identity = (level: 1 | 2 | 3, populate: MachineSpec['populate'] = 'all') =>
  rootOf(({ huge2, huge3, base, pages }) => {
    const count = pages / [0, 1, huge2, huge3][level]!;
    return [{ l2Gfn: base, l1Gfn: base, level, count }];
  }, populate);

/** `count` aliases of the first 2M page, side by side from L2 gfn 0 on. */
export const aliases = (count: number, perms?: readonly MappingSpec['perm'][]) =>
  rootOf(({ huge2, base }) =>
    Array.from({ length: count }, (_, alias): MappingSpec => {
      const perm = perms?.[alias];
      return {
        l2Gfn: alias * huge2,
        l1Gfn: base,
        level: 2,
        count: 1,
        ...(perm === undefined ? {} : { perm }),
      };
    }),
  );

/** Everything the model told, in order. */
export class Recorder extends Observer {
  readonly broke: RuleBreak[] = [];
  readonly splits: { gfn: number; level: number; lo: number; errno: number; sptep: number }[] = [];
  readonly flushes: { reason: FlushReason; gfn: number; pages: number }[] = [];
  readonly pages: { sp: number; created: boolean }[] = [];
  readonly faults: { gfn: number; level: number; result: number }[] = [];
  readonly zapped: number[] = [];
  private sptep = 0;

  override broken(_cpu: Cpu, rule: RuleBreak): void {
    this.broke.push(rule);
  }
  override splitBegin(_cpu: Cpu, sptep: number): void {
    this.sptep = sptep;
  }
  override splitAttempt(_cpu: Cpu, gfn: number, level: number, lo: number, _hi: number, errno: number): void {
    this.splits.push({ gfn, level, lo, errno, sptep: this.sptep });
  }
  override flush(_cpu: Cpu, reason: FlushReason, gfn: number, pages: number): void {
    this.flushes.push({ reason, gfn, pages });
  }
  override getPage(_cpu: Cpu, sp: number, created: boolean): void {
    this.pages.push({ sp, created });
  }
  override fault(_cpu: Cpu, gfn: number, level: number, result: number): void {
    this.faults.push({ gfn, level, result });
  }
  override zapPage(_cpu: Cpu, sp: number): void {
    this.zapped.push(sp);
  }
}

/** A booted machine with one thread that runs straight through. */
export class Bench {
  readonly kvm: Kvm;
  readonly cpu: PlainCpu;
  readonly seen = new Recorder();
  readonly slot: MemSlot;

  constructor(machine: Machine, engine: Engine = P1_ENGINE) {
    this.kvm = bootMachine(machine, Arena.tracked(layoutThatFits(machine, LIMIT)), engine);
    this.kvm.observer = this.seen;
    this.cpu = new PlainCpu(this.kvm.arena, new RunLog(), { actor: 0, name: 'tester', cls: 'other' }, false);
    this.slot = this.kvm.slots[1]!;
  }

  run<T>(steps: Steps<T>): T {
    return runAlone(steps);
  }

  counter(name: CounterName): number {
    return this.cpu.counters[C[name]]!;
  }

  vcpu(index = 0): Vcpu {
    return new Vcpu(this.kvm, this.cpu, index);
  }

  /** One L2 access with its faults, after the requests that wait for the vCPU; false if L1 forbids it. */
  touch(l2Gfn: number, access: keyof typeof ACCESS_BITS, root = 0, index = 0): boolean {
    const vcpu = this.vcpu(index);
    runAlone(enterGuest(vcpu));
    runAlone(exitGuest(vcpu));
    return runAlone(touchPage(vcpu, root, l2Gfn, ACCESS_BITS[access]));
  }

  errnos(): number[] {
    return this.seen.splits.map((split) => split.errno);
  }
}

/** Pages of the active list, in its order. */
export function activePages(kvm: Kvm): number[] {
  const pages: number[] = [];
  for (let sp = kvm.get(KVM.activeHead); sp !== 0; sp = kvm.w[kvm.header(sp) + SP.linkNext]!) pages.push(sp);
  return pages;
}

export interface Leaf {
  readonly sp: number;
  readonly index: number;
  readonly sptep: number;
  readonly lo: number;
  readonly hi: number;
}

/** Present leaves of one level in every active page. */
export function leaves(kvm: Kvm, level: number): Leaf[] {
  return activePages(kvm).flatMap((sp) => {
    if (roleLevel(spRole(kvm, sp)) !== level) return [];
    return Array.from({ length: kvm.entries }, (_, index) => {
      const sptep = sptepOf(kvm, sp, index);
      return { sp, index, sptep, lo: kvm.w[sptep * 2]!, hi: kvm.w[sptep * 2 + 1]! };
    }).filter(({ lo }) => isLastSpte(lo, level));
  });
}

/** A machine under the controlled runtime whose judge only collects what the model itself reports. */
export function controlledOf(
  machine: Machine,
  options: Partial<Omit<ControlledOptions, 'machine' | 'layout'>> & {
    readonly custom?: Readonly<Record<string, CustomActor>>;
  } = {},
): ControlledRuntime {
  return new ControlledRuntime({
    engine: P1_ENGINE,
    judge: {
      observer: (_kvm, report) => {
        const observer = new Observer();
        observer.broken = report;
        return observer;
      },
      begin: () => {},
      atEnd: () => {},
    },
    ...options,
    machine,
    layout: layoutThatFits(machine, LIMIT),
  });
}

/** Runs a schedule twice and refuses a run that is not a function of its inputs. */
export function runTwice(
  runtime: ControlledRuntime,
  schedule: number,
  master = 7,
  scheduler: Scheduler = new RandomWalk(master),
): ControlledResult {
  const first = runtime.run(scheduler, master, schedule);
  const second = runtime.run(scheduler, master, schedule);
  if (first.hash !== second.hash || first.steps !== second.steps) {
    throw new Error(`schedule ${schedule}: ${first.hash}, then ${second.hash}`);
  }
  return second;
}
