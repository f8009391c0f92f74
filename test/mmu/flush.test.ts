// Kernel-facts 5.5 and D26.
import { describe, expect, it } from 'vitest';
import { Op, type Steps } from '../../src/cpu/steps.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { flushRemoteTlbs } from '../../src/mmu/flush.ts';
import type { Kvm } from '../../src/mmu/kvm.ts';
import { enterGuest, exitGuest, Vcpu } from '../../src/mmu/vcpu.ts';
import {
  EXITING_GUEST_MODE,
  IN_GUEST_MODE,
  MODE_MASK,
  OUTSIDE_GUEST_MODE,
  REQ_PAUSE,
  REQ_TLB_FLUSH,
  SESSION_STEP,
  VCPU,
} from '../../src/mmu/vcpu-words.ts';
import { Bench, identity, machineOf } from '../support/machines.ts';
import { Program, Stage, twice, type Body } from '../support/programs.ts';

const booted = (): Kvm => new Bench(machineOf(identity(2), { backing: '2m' })).kvm;
const word = (kvm: Kvm, vcpu: number, field: number): number => kvm.w[kvm.vcpuWord(vcpu) + field]!;
const mode = (kvm: Kvm, vcpu: number): number => word(kvm, vcpu, VCPU.mode) & MODE_MASK;

const flusher =
  (kvm: Kvm): Body =>
  (cpu) =>
    flushRemoteTlbs(kvm, cpu, 'fault');

/** Enters, looks once in guest mode, and leaves. */
const guest = (kvm: Kvm, index: number, entered: boolean[] = []): Body =>
  function* (cpu) {
    const vcpu = new Vcpu(kvm, cpu, index);
    const inside = yield* enterGuest(vcpu);
    entered.push(inside);
    if (!inside) return;
    yield cpu.at(Op.Load, vcpu.word(VCPU.mode));
    cpu.load(vcpu.word(VCPU.mode));
    yield* exitGuest(vcpu);
  };

describe('a remote flush', () => {
  it('asks every vCPU, kicks the one in guest mode and waits until it has left', () => {
    twice(() => {
      const kvm = booted();
      const stage = new Stage(kvm.arena, [flusher(kvm), guest(kvm, 1)]);
      stage.runUntil(1, () => mode(kvm, 1) === IN_GUEST_MODE && stage.cpus[1]!.pendingOp === Op.Load);
      stage.runUntilBlocked(0);
      expect([0, 1].map((vcpu) => word(kvm, vcpu, VCPU.requests))).toEqual([REQ_TLB_FLUSH, REQ_TLB_FLUSH]);
      expect([mode(kvm, 0), mode(kvm, 1)]).toEqual([OUTSIDE_GUEST_MODE, EXITING_GUEST_MODE]);
      expect(stage.cpus[0]!.pendingWord).toBe(kvm.vcpuWord(1) + VCPU.mode);
      stage.runUntil(1, () => mode(kvm, 1) === OUTSIDE_GUEST_MODE);
      stage.finish(0);
      stage.finishAll();
      return { stage, result: undefined };
    });
  });

  it('waits as well for a vCPU that somebody else has kicked and that has not left yet', () => {
    twice(() => {
      const kvm = booted();
      const stage = new Stage(kvm.arena, [flusher(kvm), guest(kvm, 1), flusher(kvm)]);
      stage.runUntil(1, () => mode(kvm, 1) === IN_GUEST_MODE && stage.cpus[1]!.pendingOp === Op.Load);
      stage.runUntilBlocked(0);
      stage.runUntilBlocked(2);
      expect(stage.cpus[2]!.pendingWord).toBe(kvm.vcpuWord(1) + VCPU.mode);
      stage.runUntil(1, () => mode(kvm, 1) === OUTSIDE_GUEST_MODE);
      stage.finish(2);
      stage.finish(0);
      stage.finishAll();
      return { stage, result: undefined };
    });
  });

  it('does not wait for vCPUs outside of guest mode: they find the request before their next entry', () => {
    twice(() => {
      const kvm = booted();
      const stage = new Stage(kvm.arena, [flusher(kvm), guest(kvm, 1)]);
      stage.finish(0);
      const epoch = word(kvm, 1, VCPU.tlbEpoch);
      expect(word(kvm, 1, VCPU.requests)).toBe(REQ_TLB_FLUSH);
      stage.finish(1);
      expect([word(kvm, 1, VCPU.requests), word(kvm, 1, VCPU.tlbEpoch)]).toEqual([0, epoch + 1]);
      return { stage, result: undefined };
    });
  });

  it('takes leaving and coming back for an acknowledgement: the session number has moved on', () => {
    twice(() => {
      const kvm = booted();
      const again: Body = function* (cpu) {
        yield* guest(kvm, 1)(cpu);
        yield* guest(kvm, 1)(cpu);
      };
      const stage = new Stage(kvm.arena, [flusher(kvm), again]);
      stage.runUntil(1, () => mode(kvm, 1) === IN_GUEST_MODE && stage.cpus[1]!.pendingOp === Op.Load);
      const session = word(kvm, 1, VCPU.mode) & ~MODE_MASK;
      stage.runUntilBlocked(0);
      stage.runUntil(1, () => mode(kvm, 1) === OUTSIDE_GUEST_MODE);
      stage.runUntil(1, () => mode(kvm, 1) === IN_GUEST_MODE);
      expect(word(kvm, 1, VCPU.mode) & ~MODE_MASK).toBe(session + SESSION_STEP);
      stage.finish(0);
      stage.finishAll();
      return { stage, result: undefined };
    });
  });

  it('is counted by its reason, and IPIs by vCPUs kicked', () => {
    const bench = new Bench(machineOf(identity(2), { backing: '2m' }));
    for (const reason of ['split', 'zap', 'zap', 'recycle'] as const) {
      bench.run(flushRemoteTlbs(bench.kvm, bench.cpu, reason, 5, 3));
    }
    expect(
      ['flushes', 'flushSplit', 'flushZap', 'flushRecycle', 'flushIpis'].map((name) =>
        bench.counter(name as 'flushes'),
      ),
    ).toEqual([4, 1, 2, 1, 0]);
    expect(bench.seen.flushes[0]).toEqual({ reason: 'split', gfn: 5, pages: 3 });
  });
});

describe('entering the guest', () => {
  it('honours what was asked for before, and goes in', () => {
    const { kvm, vcpu, run } = ((bench) => ({ kvm: bench.kvm, vcpu: bench.vcpu(), run: bench.run }))(
      new Bench(machineOf(identity(2))),
    );
    kvm.arena.put(kvm.vcpuWord(0) + VCPU.requests, REQ_TLB_FLUSH);
    const epoch = word(kvm, 0, VCPU.tlbEpoch);
    expect(run(enterGuest(vcpu))).toBe(true);
    expect([mode(kvm, 0), word(kvm, 0, VCPU.tlbEpoch), word(kvm, 0, VCPU.requests)]).toEqual([
      IN_GUEST_MODE,
      epoch + 1,
      0,
    ]);
  });

  it('is refused when user space wants the vCPU out, and without a root', () => {
    const bench = new Bench(machineOf(identity(2)));
    const { kvm } = bench;
    kvm.arena.put(kvm.vcpuWord(0) + VCPU.requests, REQ_PAUSE);
    expect(bench.run(enterGuest(bench.vcpu()))).toBe(false);
    kvm.arena.put(kvm.vcpuWord(0) + VCPU.roots, 0);
    expect(bench.run(enterGuest(bench.vcpu()))).toBe(false);
    expect(mode(kvm, 0)).toBe(OUTSIDE_GUEST_MODE);
  });

  /** Publishes IN_GUEST_MODE and does not look again. */
  const careless = (kvm: Kvm): Body =>
    function* (cpu) {
      const at = kvm.vcpuWord(1);
      yield cpu.at(Op.Load, at + VCPU.requests);
      if (cpu.load(at + VCPU.requests) !== 0) return;
      yield cpu.at(Op.Store, at + VCPU.mode);
      cpu.store(at + VCPU.mode, SESSION_STEP | IN_GUEST_MODE);
      yield* stay(kvm, cpu);
    };

  const careful = (kvm: Kvm): Body =>
    function* (cpu) {
      if (yield* enterGuest(new Vcpu(kvm, cpu, 1))) yield* stay(kvm, cpu);
    };

  /** Runs guest code for two steps, noting each as a use of the TLB, and leaves. */
  function* stay(
    kvm: Kvm,
    cpu: {
      at(op: number, word: number): void;
      load(word: number): number;
      store(word: number, value: number): void;
    },
  ): Steps<void> {
    for (let i = 0; i < 2; i++) {
      yield cpu.at(Op.Load, kvm.layout.memory);
      cpu.load(kvm.layout.memory);
    }
    const at = kvm.vcpuWord(1) + VCPU.mode;
    yield cpu.at(Op.Store, at);
    cpu.store(at, (kvm.w[at]! & ~MODE_MASK) | OUTSIDE_GUEST_MODE);
  }

  /** Uses of the TLB after a flush has returned without its request having been honoured, over 400 schedules. */
  function staleUses(body: (kvm: Kvm) => Body): number {
    const kvm = booted();
    let flushed = false;
    let stale = 0;
    const program = new Program(kvm.arena, [
      function* (cpu) {
        yield* flushRemoteTlbs(kvm, cpu, 'fault');
        flushed = true;
      },
      body(kvm),
    ]);
    const epoch = word(kvm, 1, VCPU.tlbEpoch);
    const walk = new RandomWalk(8);
    for (let schedule = 0; schedule < 400; schedule++) {
      flushed = false;
      const listener = {
        operation: (_cpu: unknown, op: number, at: number): void => {
          if (op === Op.Load && at === kvm.layout.memory && flushed && word(kvm, 1, VCPU.tlbEpoch) === epoch)
            stale++;
        },
      };
      const first = program.run(walk, schedule, listener);
      flushed = false;
      expect(program.run(walk, schedule).hash).toBe(first.hash);
      expect(first.stuck).toEqual([]);
    }
    return stale;
  }

  it('never lets old translations be used after a flush has returned (D26)', () => {
    expect(staleUses(careful)).toBe(0);
  });

  it('would, if it did not look at the requests again after IN_GUEST_MODE', () => {
    expect(staleUses(careless)).toBeGreaterThan(0);
  });
});
