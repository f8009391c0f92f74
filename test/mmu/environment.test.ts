// Faults of the environment: each is drawn at its rate, not at all at 0, and no rule is broken by any of them.
import { describe, expect, it } from 'vitest';
import { l2Vcpu } from '../../src/actors/l2-vcpu.ts';
import type { Workload } from '../../src/actors/context.ts';
import { C, type CounterName } from '../../src/cpu/counters.ts';
import { Rng } from '../../src/cpu/random.ts';
import { Op } from '../../src/cpu/steps.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import {
  acknowledgeSlowly,
  allocationFails,
  faultsForNothing,
  stayOutside,
} from '../../src/mmu/environment.ts';
import { ENOMEM, RET_PF_FIXED } from '../../src/mmu/errno.ts';
import { loadRoot } from '../../src/mmu/boot.ts';
import { cacheCount, topupVcpuCache, vcpuCaches } from '../../src/mmu/memory-cache.ts';
import { pageFault } from '../../src/mmu/shadow/fault.ts';
import { ACCESS_WRITE } from '../../src/mmu/shadow/walk-addr.ts';
import { enterGuest, exitGuest, Vcpu } from '../../src/mmu/vcpu.ts';
import { EXITING_GUEST_MODE, IN_GUEST_MODE, MODE_MASK, VCPU } from '../../src/mmu/vcpu-words.ts';
import nestedMigration from '../../scenarios/nested-migration.ts';
import { runtimeOf } from '../check/judged-run.ts';
import { Bench, identity, leaves, machineOf, type Given } from '../support/machines.ts';
import { Stage } from '../support/programs.ts';

const bench = (given: Given = {}, populate: 'all' | [] = []): Bench =>
  new Bench(machineOf(identity(2, populate), { backing: '2m', ...given }));

/** Kicks the vCPU as a requester of a flush does. */
function kick({ kvm }: Bench, vcpu: Vcpu): void {
  const word = vcpu.word(VCPU.mode);
  kvm.arena.put(word, (kvm.w[word]! & ~MODE_MASK) | EXITING_GUEST_MODE);
}

/** The first draw after everything that could have drawn. */
function drawAfterAll(given: Given): number {
  const machine = bench(given);
  const vcpu = machine.vcpu();
  machine.cpu.choices.seed(5);
  machine.run(stayOutside(vcpu));
  kick(machine, vcpu);
  machine.run(acknowledgeSlowly(vcpu));
  allocationFails(machine.kvm, machine.cpu);
  faultsForNothing(vcpu);
  return machine.cpu.choices.next();
}

describe('a rate', () => {
  const first = new Rng(1);
  first.seed(5);
  const undisturbed = first.next();

  it('of 0 draws nothing', () => {
    expect(drawAfterAll({})).toBe(undisturbed);
  });

  it.each(['enomemRate', 'slowAckRate', 'spuriousFaultRate', 'longExitRate'])('%s of 1 draws', (rate) => {
    expect(drawAfterAll({ [rate]: 1 })).not.toBe(undisturbed);
  });

  it('of 1 makes nothing fail while the machine boots', () => {
    const machine = bench({ enomemRate: 1 }, 'all');
    expect(leaves(machine.kvm, 2).length).toBeGreaterThan(0);
  });
});

describe('enomemRate', () => {
  /** Empties the vCPU's caches, as a busy vCPU's are. */
  function drain({ kvm }: Bench): void {
    const caches = vcpuCaches(kvm, 0);
    for (const cache of [caches.desc, caches.header, caches.table, caches.shadowInfo])
      kvm.arena.put(cache, 0);
  }

  it.each([
    [1, ENOMEM, 0],
    [0, RET_PF_FIXED, 1],
  ])('of %d: a fault with empty caches ends with %d', (enomemRate, result, mapped) => {
    const machine = bench({ enomemRate });
    drain(machine);
    expect(machine.run(pageFault(machine.vcpu(), machine.slot.baseGfn, ACCESS_WRITE, false))).toBe(result);
    expect(leaves(machine.kvm, 2)).toHaveLength(mapped);
    expect(machine.counter('injectedEnomem')).toBe(enomemRate);
    expect(machine.kvm.w[machine.vcpu().word(VCPU.srcu)]! & 1).toBe(0);
  });

  it('fails a topup even of a cache that holds enough, and leaves its objects', () => {
    const machine = bench({ enomemRate: 1 });
    const { header } = vcpuCaches(machine.kvm, 0);
    const objects = cacheCount(machine.kvm, header);
    expect(topupVcpuCache(machine.kvm, machine.cpu, header, machine.kvm.headerPool, 5)).toBe(false);
    expect(cacheCount(machine.kvm, header)).toBe(objects);
    expect(objects).toBeGreaterThanOrEqual(5);
  });

  it('leaves a vCPU without a root, and it does not enter the guest', () => {
    const machine = bench({ enomemRate: 1 });
    const vcpu = machine.vcpu();
    machine.kvm.arena.put(vcpu.word(VCPU.roots), 0);
    drain(machine);
    machine.run(loadRoot(vcpu, 0));
    expect(vcpu.rootSp).toBe(0);
    expect(machine.run(enterGuest(vcpu))).toBe(false);
  });
});

describe('slowAckRate', () => {
  /** Pauses of a vCPU that leaves guest mode, and whether it still was in it at the last of them. */
  function pauses(slowAckRate: number, kicked: boolean): { count: number; mode: number } {
    const machine = bench({ slowAckRate });
    const { kvm } = machine;
    let count = 0;
    let mode = -1;
    const stage = new Stage(kvm.arena, [
      function* (cpu) {
        const vcpu = new Vcpu(kvm, cpu, 0);
        yield* enterGuest(vcpu);
        if (kicked) kick(machine, vcpu);
        for (const _ of exitGuest(vcpu)) {
          if (cpu.pendingOp === Op.Pause) {
            count++;
            mode = kvm.w[vcpu.word(VCPU.mode)]! & MODE_MASK;
          }
          yield;
        }
      },
    ]);
    stage.finish(0);
    return { count, mode };
  }

  it('of 1 keeps a kicked vCPU in guest mode for some pauses', () => {
    const { count, mode } = pauses(1, true);
    expect(count).toBeGreaterThanOrEqual(4);
    expect(mode).toBe(EXITING_GUEST_MODE);
  });

  it('delays nobody who was not kicked, and at 0 nobody at all', () => {
    expect([pauses(1, false).count, pauses(0, true).count]).toEqual([0, 0]);
    expect(IN_GUEST_MODE).not.toBe(EXITING_GUEST_MODE);
  });
});

describe('a vCPU with its own workload', () => {
  const ACCESSES = 30;

  function counters(given: Given, populate: 'all' | []): Bench {
    const machine = bench(given, populate);
    const { base } = { base: machine.slot.baseGfn };
    const workload: Workload = {
      ops: ACCESSES,
      writeFraction: 0.5,
      execFraction: 0,
      rootSwitchRate: 0,
      burst: 4,
      ranges: [{ root: 0, l2Gfn: base, pages: machine.slot.npages, write: true, exec: true }],
    };
    machine.run(l2Vcpu({ kvm: machine.kvm, cpu: machine.cpu }, 0, workload));
    return machine;
  }

  it('takes one fault more for each access at spuriousFaultRate 1, all of them harmless', () => {
    const machine = counters({ spuriousFaultRate: 1 }, 'all');
    expect(machine.counter('injectedFaults')).toBe(ACCESSES);
    expect(machine.counter('faults')).toBe(ACCESSES);
    expect(machine.counter('faultsSpurious')).toBe(ACCESSES);
    expect(machine.counter('guestReads') + machine.counter('guestWrites')).toBe(ACCESSES);
  });

  it('maps early what a fault comes for too early', () => {
    const machine = counters({ spuriousFaultRate: 1 }, []);
    expect(machine.counter('faultsFixed')).toBeGreaterThan(0);
    expect(machine.counter('faultsSpurious') + machine.counter('faultsFixed')).toBe(ACCESSES);
  });

  it('stays outside after each exit at longExitRate 1', () => {
    const machine = counters({ longExitRate: 1 }, 'all');
    expect(machine.counter('injectedStays')).toBe(machine.counter('guestEntries'));
    expect(counters({}, 'all').counter('injectedStays')).toBe(0);
  });
});

describe('a migration', () => {
  const RATES: readonly (readonly [CounterName, Given])[] = [
    ['injectedEnomem', { enomemRate: 1 }],
    ['injectedEnomem', { enomemRate: 0.3, ops: 12 }],
    ['injectedSlowAcks', { slowAckRate: 1 }],
    ['injectedFaults', { spuriousFaultRate: 1 }],
    ['injectedFaults', { spuriousFaultRate: 0.2, nx: true, execFraction: 0.3 }],
    ['injectedStays', { longExitRate: 1, ops: 12 }],
  ];

  it.each(RATES)('survives %s at %j', (counter, parameters) => {
    const runtime = runtimeOf(nestedMigration, { parameters });
    for (let schedule = 0; schedule < 30; schedule++) {
      expect(runtime.run(new RandomWalk(7), 7, schedule).violations).toEqual([]);
    }
    expect(runtime.cpus.reduce((sum, cpu) => sum + cpu.counters[C[counter]]!, 0)).toBeGreaterThan(0);
  });
});
