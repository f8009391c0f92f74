import { describe, expect, it } from 'vitest';
import type { CustomActor } from '../../src/actors/context.ts';
import { Op } from '../../src/cpu/steps.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { KVM } from '../../src/mmu/kvm.ts';
import { ControlledRuntime } from '../../src/runtime/controlled.ts';
import { takeTurns } from '../../src/runtime/interleaver.ts';
import type { Scheduler } from '../../src/runtime/scheduler.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { controlledOf, identity, LIMIT, machineOf } from '../support/machines.ts';

/** Always the same actor while it can go on, and else the last one: as unfair as can be. */
const only = (actor: number): Scheduler => ({
  begin: () => undefined,
  pick: (enabled, count) => (enabled.subarray(0, count).includes(actor) ? actor : enabled[count - 1]!),
});

/** Round by number. */
const turns: Scheduler = {
  begin: () => undefined,
  pick: (enabled, count, current) => takeTurns(enabled, count, current),
};

/** Runs a schedule twice and demands the same. */
function twice(runtime: ControlledRuntime, scheduler: Scheduler) {
  const first = runtime.run(scheduler, 1, 0);
  const second = runtime.run(scheduler, 1, 0);
  expect(second.hash).toBe(first.hash);
  return second;
}

/** An actor that looks at a word until it is 1, without waiting. */
const spinner: CustomActor = function* ({ kvm, cpu }) {
  const word = kvm.base + KVM.userLock;
  for (;;) {
    yield cpu.at(Op.Load, word);
    if (cpu.load(word) === 1) return;
  }
};
const writer: CustomActor = function* ({ kvm, cpu }) {
  const word = kvm.base + KVM.userLock;
  yield cpu.at(Op.Store, word);
  cpu.store(word, 1);
};
const idler: CustomActor = function* ({ kvm, cpu }) {
  yield cpu.at(Op.Load, kvm.base);
  cpu.load(kvm.base);
};

describe('a livelock', () => {
  const machine = machineOf(
    (units) => ({
      ...identity(2)(units),
      migration: false,
      guests: false,
      actors: [{ name: 'spinner' }, { name: 'other' }],
    }),
    { backing: '2m', vcpus: 1 },
  );
  const runtime = (other: CustomActor) =>
    controlledOf(machine, { custom: { spinner, other }, livelockSteps: 200 });

  it('is not reported of one that spins because the scheduler starves whom it waits for', () => {
    const { violations, fairSuffixes, steps } = twice(runtime(writer), only(0));
    expect(violations).toEqual([]);
    expect(fairSuffixes).toBe(1);
    expect(steps).toBeGreaterThan(200);
  });

  it('is reported where taking turns does not help', () => {
    const { violations, fairSuffixes, steps } = twice(runtime(idler), only(0));
    expect(violations.map(({ id }) => id)).toEqual(['livelock']);
    expect(violations[0]!.text).toMatch(
      /^200 steps without progress, everybody taking turns: spinner can run/,
    );
    expect(fairSuffixes).toBe(1);
    expect(steps).toBeGreaterThan(400);
  });

  it('is none as long as there is progress: such a run is cut off as long', () => {
    const busy: CustomActor = function* ({ kvm, cpu }) {
      for (;;) {
        kvm.observer.progress(cpu);
        yield cpu.at(Op.Load, kvm.base);
        cpu.load(kvm.base);
      }
    };
    const long = runtime(busy);
    long.maxSteps = 3000;
    expect(twice(long, only(1))).toMatchObject({ truncated: true, violations: [] });
  });

  it('of splitters that yield to each other is reported as that (H-F)', () => {
    const splitters = controlledOf(
      machineOf(identity(2), { backing: '2m', splitters: 4, vcpus: 1, ops: 20, preempt: 'full' }),
      { livelockSteps: 3000 },
    );
    // Fair from the start, and the livelock is there.
    const { violations } = twice(splitters, turns);
    expect(violations.map(({ id }) => id)).toEqual(['livelock']);
    expect(violations[0]!.text).toMatch(
      /split passes that split nothing: splitter 0, splitter 1, splitter 2, splitter 3$/,
    );
  });
});

describe('starvation', () => {
  /** Works 600 steps under mmu_lock, and lets others in every `hold` of them. */
  const holder = (hold: number): CustomActor =>
    function* ({ kvm, cpu }) {
      for (let made = 0; made < 600; made += hold) {
        yield* kvm.writeLock(cpu);
        for (let i = 0; i < hold; i++) {
          kvm.observer.progress(cpu);
          yield cpu.at(Op.Load, kvm.base + KVM.userLock);
          cpu.load(kvm.base + KVM.userLock);
        }
        yield* kvm.writeUnlock(cpu);
      }
    };
  const wanter: CustomActor = function* ({ kvm, cpu }) {
    yield* kvm.writeLock(cpu);
    yield* kvm.writeUnlock(cpu);
  };
  const machine = machineOf(
    (units) => ({
      ...identity(2)(units),
      migration: false,
      guests: false,
      actors: [{ name: 'holder' }, { name: 'wanter' }],
    }),
    { backing: '2m', vcpus: 1 },
  );
  const run = (hold: number) =>
    twice(controlledOf(machine, { custom: { holder: holder(hold), wanter }, starvationSteps: 150 }), turns);

  it('of a waiter is reported if the holder keeps the lock although everybody takes turns', () => {
    const { violations, fairSuffixes } = run(600);
    expect(violations.map(({ id }) => id)).toEqual(['starvation']);
    expect(violations[0]!.text).toMatch(
      /^wanter has waited for mmu_lock for \d+ steps, everybody taking turns: .*mmu_lock is held by holder/,
    );
    expect(fairSuffixes).toBe(1);
  });

  it('is not if the holder lets others in', () => {
    expect(run(30).violations).toEqual([]);
  });

  it('of a split pass is reported while others get on', () => {
    const stuck: CustomActor = function* ({ kvm, cpu }) {
      kvm.observer.splitPass(cpu, 1, 0, 1, true);
      for (let i = 0; i < 400; i++) yield* idler({ kvm, cpu }, {});
      kvm.observer.splitPass(cpu, 1, 0, 1, false);
    };
    const long: CustomActor = holder(30);
    const { violations } = twice(
      controlledOf(machine, { custom: { holder: long, wanter: stuck }, starvationSteps: 150 }),
      only(0),
    );
    expect(violations.map(({ text }) => text)).toEqual([
      expect.stringMatching(
        /^the split pass of wanter has split nothing for \d+ steps, everybody taking turns/,
      ),
    ]);
  });
});

describe('D13', () => {
  /** Stops the notifier between queueing up and taking the lock, and lets the splitter go on. */
  const run = async (engine: Partial<Engine>) => {
    const scenario = await loadScenario('tiny-notifier');
    const built = buildMachine(scenario, 'explore', { memory: '32K' });
    const runtime = new ControlledRuntime({
      machine: built,
      layout: layoutThatFits(built, LIMIT),
      engine: { ...P1_ENGINE, ...engine },
      judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
      custom: scenario.actors,
      livelockSteps: 500,
    });
    const { kvm, cpus } = runtime;
    const queued = (): boolean => kvm.w[kvm.mmuLock.waitLock]! >>> 16 !== 0;
    let unfair = false;
    return twice(runtime, {
      begin: () => {
        unfair = false;
      },
      pick: (enabled, count, current) => {
        unfair ||= queued();
        // The splitter first until it holds the lock, the notifier until it has queued up, then the splitter alone.
        if (unfair) return enabled[0]!;
        return kvm.w[kvm.mmuLock.owner] === 1 + cpus[0]!.actor
          ? enabled[count - 1]!
          : (enabled[0] ?? current);
      },
    });
  };

  it('is not broken by a competitor that is never scheduled', async () => {
    const { violations, fairSuffixes } = await run({});
    expect(violations).toEqual([]);
    expect(fairSuffixes).toBe(1);
  });

  it('is broken by a pass that gives the lock up for nobody, however fair the scheduler', async () => {
    const { violations } = await run({ needTopupSplitCachesOrResched: () => true });
    expect(violations.map(({ id }) => id)).toEqual(['D13']);
  });
});
