import { Boundary } from '../../src/cpu/cpu.ts';
import { describe, expect, it } from 'vitest';
import type { CustomActor } from '../../src/actors/context.ts';
import { mutexLock } from '../../src/locks/mutex.ts';
import { Op } from '../../src/cpu/steps.ts';
import { KernelBug } from '../../src/mmu/bug.ts';
import { KVM } from '../../src/mmu/kvm.ts';
import { Observer } from '../../src/mmu/observer.ts';
import type { Machine } from '../../src/scenario/build.ts';
import type { Judge } from '../../src/runtime/controlled.ts';
import type { Scheduler } from '../../src/runtime/scheduler.ts';
import { controlledOf, identity, machineOf, runTwice } from '../support/machines.ts';

/** One vCPU of ten accesses and these actors; nothing drives the dirty log. */
const withActors = (...names: string[]): Machine =>
  machineOf(
    (units) => ({ ...identity(2)(units), migration: false, actors: names.map((name) => ({ name })) }),
    { vcpus: 1, ops: 10, backing: '2m' },
  );

/** Makes `steps` loads of a page; 0 never ends. */
const loads = (steps: number): CustomActor =>
  function* ({ kvm, cpu }) {
    for (let left = steps === 0 ? Infinity : steps; left > 0; left--) {
      yield cpu.at(Op.Load, kvm.layout.memory);
      cpu.load(kvm.layout.memory);
    }
  };

const hog: CustomActor = function* ({ kvm, cpu }) {
  yield* kvm.writeLock(cpu);
};

const wants: CustomActor = function* ({ kvm, cpu }) {
  yield* kvm.writeLock(cpu);
  yield* kvm.writeUnlock(cpu);
};

/** Lets the last actor that can go on move. */
const lastFirst = (): Scheduler => ({ begin: () => {}, pick: (enabled, count) => enabled[count - 1]! });

describe('a deadlock', () => {
  it('is reported with who waits, on what, and who holds it', () => {
    const runtime = controlledOf(withActors('one', 'two', 'hog'), {
      custom: { one: wants, two: wants, hog },
    });
    const { violations } = runTwice(runtime, 0, 7, lastFirst());
    expect(violations.length).toBe(1);
    expect(violations[0]).toMatchObject({ id: 'deadlock', actorName: 'one' });
    for (const part of [
      /^nobody can go on: /,
      /one waits on mmu_lock\.wait_lock/,
      /two waits on mmu_lock\.cnts/,
      /held by hog/,
    ]) {
      expect(violations[0]!.text).toMatch(part);
    }
    expect(violations[0]!.words).toEqual([runtime.kvm.mmuLock.waitLock, runtime.kvm.mmuLock.cnts]);
  });

  it('names who holds slots_lock, too', () => {
    const owner: CustomActor = function* ({ kvm, cpu }) {
      yield* mutexLock(cpu, kvm.slotsLock);
      const word = kvm.base + KVM.pauseRequest;
      yield cpu.at(Op.Wait, word, 0);
      cpu.wait(word, 0);
    };
    const wanter: CustomActor = function* ({ kvm, cpu }) {
      yield* mutexLock(cpu, kvm.slotsLock);
    };
    const runtime = controlledOf(withActors('owner', 'wanter'), { custom: { owner, wanter } });
    const { violations } = runTwice(runtime, 1);
    expect(violations.map(({ id }) => id)).toEqual(['deadlock']);
    expect(violations[0]!.text).toMatch(/waits on slots_lock.*slots_lock is held by (owner|wanter)/);
  });

  it('on a word that is no lock is reported by what the word is', () => {
    const stuck: CustomActor = function* ({ kvm, cpu }) {
      const word = kvm.base + KVM.pauseRequest;
      yield cpu.at(Op.Wait, word, 0);
      cpu.wait(word, 0);
    };
    const { violations } = runTwice(controlledOf(withActors('stuck'), { custom: { stuck } }), 0);
    expect(violations.map(({ text }) => text)).toEqual([
      expect.stringContaining('stuck waits on pause request'),
    ]);
  });
});

describe('a livelock', () => {
  it('is reported when nobody has made progress for the limit, with those who could run', () => {
    const runtime = controlledOf(withActors('spinner'), {
      custom: { spinner: loads(0) },
      livelockSteps: 300,
    });
    const { violations, steps } = runTwice(runtime, 0);
    expect(violations.map(({ id }) => id)).toEqual(['livelock']);
    expect(violations[0]!.text).toMatch(/^300 steps without progress.*spinner/);
    expect(steps).toBeGreaterThan(300);
  });

  it('is not reported while others make progress', () => {
    const runtime = controlledOf(withActors('spinner'), {
      custom: { spinner: loads(900) },
      livelockSteps: 1000,
    });
    expect(runTwice(runtime, 0).violations).toEqual([]);
  });
});

describe('what an actor throws', () => {
  it('is a violation if the kernel would BUG there, with its id and words', () => {
    const bug: CustomActor = function* ({ kvm, cpu }) {
      yield* loads(3)({ kvm, cpu }, {});
      throw new KernelBug('Q20', 'the reverse map is corrupt', [1, 2]);
    };
    const { violations } = runTwice(controlledOf(withActors('bug'), { custom: { bug } }), 0);
    expect(violations).toMatchObject([
      { id: 'Q20', text: 'the reverse map is corrupt', words: [1, 2], actorName: 'bug', actor: 1 },
    ]);
  });

  it('is passed on otherwise: a defect of the harness is no finding', () => {
    const broken: CustomActor = function* () {
      throw new TypeError('not a function');
    };
    const runtime = controlledOf(withActors('broken'), { custom: { broken } });
    expect(() => runTwice(runtime, 0)).toThrow(TypeError);
  });

  it('includes operations that were not announced', () => {
    const sly: CustomActor = function* ({ kvm, cpu }) {
      yield cpu.at(Op.Load, kvm.layout.memory);
      cpu.store(kvm.layout.memory, 1);
    };
    expect(() => runTwice(controlledOf(withActors('sly'), { custom: { sly } }), 0)).toThrow(
      'sly performed store of word',
    );
  });

  it('is an error if the actor does not exist', () => {
    expect(() => runTwice(controlledOf(withActors('ghost')), 0)).toThrow(
      'the scenario has no actor named ghost',
    );
  });
});

describe('the limits of a run', () => {
  it('cut it off without a violation and without the checks at its end', () => {
    let ended = 0;
    const judge: Judge = { observer: () => new Observer(), begin: () => {}, atEnd: () => void ended++ };
    const runtime = controlledOf(withActors('spinner'), {
      custom: { spinner: loads(0) },
      maxSteps: 200,
      judge,
    });
    expect(runTwice(runtime, 0)).toMatchObject({ truncated: true, steps: 200, violations: [] });
    expect(ended).toBe(0);
    const whole = controlledOf(withActors('short'), { custom: { short: loads(5) }, judge });
    expect(runTwice(whole, 0)).toMatchObject({ truncated: false, violations: [] });
    expect(ended).toBe(2);
  });

  it('and what was found do not carry over to the next schedule', () => {
    const runtime = controlledOf(withActors('hog', 'one'), { custom: { hog, one: wants } });
    const first = runTwice(runtime, 1);
    runTwice(runtime, 2);
    expect(runTwice(runtime, 1)).toEqual(first);
  });
});

describe('what the scheduler is told', () => {
  function watch(pick: Scheduler['pick']): {
    calls: string[];
    enabled: number[][];
    steps: number[];
    scheduler: Scheduler;
  } {
    const seen = { calls: [] as string[], enabled: [] as number[][], steps: [] as number[] };
    const scheduler: Scheduler = {
      begin: (actors, schedule) =>
        seen.calls.push(`begin ${actors.map(({ name }) => name).join()} ${schedule}`),
      pick: (enabled, count, current) => {
        seen.enabled.push([...enabled.subarray(0, count)]);
        return pick(enabled, count, current);
      },
      step: (actor) => seen.steps.push(actor),
      end: (decisions, steps) => seen.calls.push(`end ${decisions} ${steps}`),
    };
    return { ...seen, scheduler };
  }
  const runtime = controlledOf(withActors('a', 'b'), { custom: { a: loads(4), b: loads(4) } });

  it('are the actors in the order of the machine, choices of at least two in increasing order, and every step', () => {
    const seen = watch((enabled) => enabled[0]!);
    const result = runtime.run(seen.scheduler, 7, 5);
    expect(seen.calls).toEqual(['begin L2 vCPU 0,a,b 5', `end ${result.decisions} ${result.steps}`]);
    expect(
      seen.enabled.every(
        (list) => list.length > 1 && list.every((actor, i) => i === 0 || actor > list[i - 1]!),
      ),
    ).toBe(true);
    expect(seen.enabled[0]).toEqual([0, 1, 2]);
    // One more resumption per actor than operations: the last one ends it.
    expect(seen.steps.length).toBe(result.steps + 3);
    expect(seen.steps).toEqual([...seen.steps].sort((a, b) => a - b));
    expect([result.decisions, result.preemptions]).toEqual([seen.enabled.length, 0]);
  });

  it('counts a preemption for each change away from an actor that could have gone on, neither at a safepoint nor between two moves', () => {
    let turn = 0;
    let atSafepoint = 0;
    let betweenMoves = 0;
    const robin = watch((enabled, count, current) => {
      const next = enabled[turn++ % count]!;
      const left = current >= 0 && next !== current && enabled.slice(0, count).includes(current);
      if (left && runtime.cpus[current]!.boundary === Boundary.Safepoint) atSafepoint++;
      if (left && runtime.cpus[current]!.boundary === Boundary.Move) betweenMoves++;
      return next;
    });
    const result = runtime.run(robin.scheduler, 7, 0);
    let changes = 0;
    for (let i = 1; i < robin.steps.length; i++) {
      const last = robin.steps[i - 1]!;
      if (robin.steps[i] !== last && robin.steps.slice(i).includes(last)) changes++;
    }
    expect(result.preemptions).toBe(changes - atSafepoint - betweenMoves);
    expect(atSafepoint).toBeGreaterThan(0);
    expect(betweenMoves).toBeGreaterThan(0);
    expect(changes).toBeGreaterThan(8);
  });
});

describe('the judge', () => {
  it('is asked anew for each schedule, and ids that do not count are dropped', () => {
    let begun = 0;
    const judge: Judge = {
      observer: (_kvm, report) =>
        Object.assign(new Observer(), {
          broken: report,
          fault: () => report(undefined, { id: 'X1', text: 'x', words: [] }),
        }),
      begin: () => void begun++,
      atEnd: (_kvm, report) => report(undefined, { id: 'X2', text: 'at the end', words: [] }),
    };
    const machine = machineOf((units) => ({ ...identity(2, [])(units), migration: false }), {
      vcpus: 1,
      ops: 2,
    });
    const run = (without?: ReadonlySet<string>) =>
      runTwice(controlledOf(machine, { judge, without }), 0).violations;
    expect(run()).toMatchObject([{ id: 'X1', actorName: 'L2 vCPU 0' }]);
    expect(run(new Set(['X1']))).toMatchObject([{ id: 'X2', actor: -1, actorName: 'nobody' }]);
    expect(run(new Set(['X1', 'X2']))).toEqual([]);
    expect(begun).toBe(6);
  });
});
