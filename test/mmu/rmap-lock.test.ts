// kernel-facts 3.13 (6.15): reverse maps that are walked without mmu_lock have locks of their own.
import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { Op, type Steps } from '../../src/cpu/steps.ts';
import { pteListEntries } from '../../src/mmu/pte-list.ts';
import { dropLeaf, dropSpte } from '../../src/mmu/rmap.ts';
import { lockAllRmaps, rmapLock, rmapUnlock, unlockAllRmaps } from '../../src/mmu/rmap-lock.ts';
import { engineOf, findVariant } from '../../src/variants/index.ts';
import { Bench, identity, leaves, machineOf, rootOf } from '../support/machines.ts';
import { Stage } from '../support/programs.ts';

const ENGINE = engineOf([findVariant('lockless-aging-6.15')!]);

function twoLeaves(): { bench: Bench; sptep: number; head: number } {
  const machine = machineOf(
    rootOf(({ base, huge2 }) => [
      { l2Gfn: 0, l1Gfn: base, level: 2, count: 1 },
      { l2Gfn: huge2, l1Gfn: base, level: 2, count: 1 },
    ]),
    { backing: '2m' },
  );
  const bench = new Bench(machine, ENGINE);
  return { bench, sptep: leaves(bench.kvm, 2)[0]!.sptep, head: bench.slot.rmapWord(bench.slot.baseGfn, 2) };
}

/** Drops the leaf in a write section, by the given function. */
function* drop(bench: Bench, cpu: Cpu, how: () => Steps<void>): Steps<void> {
  yield* bench.kvm.writeLock(cpu);
  yield* how();
  yield* bench.kvm.writeUnlock(cpu);
}

describe('who changes a reverse map', () => {
  it('waits for who walks it, after the entry itself is gone', () => {
    const { bench, sptep, head } = twoLeaves();
    const { kvm } = bench;
    const stage = new Stage(kvm.arena, [
      function* (cpu) {
        yield* rmapLock(kvm, cpu, head);
        if (cpu.stepped) yield cpu.at(Op.Pause, 0);
        yield* rmapUnlock(kvm, cpu, head);
      },
      (cpu) =>
        drop(bench, cpu, function* () {
          if (cpu.stepped) yield cpu.at(Op.Exchange64, sptep * 2);
          yield* dropLeaf(kvm, cpu, sptep);
        }),
    ]);
    stage.runUntil(0, () => stage.cpus[0]!.pendingOp === Op.Pause && stage.log.steps > 0);
    stage.runUntilBlocked(1);
    expect([kvm.w[sptep * 2], pteListEntries(kvm, head).length]).toEqual([0, 2]);
    stage.finish(0);
    stage.finish(1);
    expect(pteListEntries(kvm, head)).not.toContain(sptep);
    expect(bench.seen.broke).toEqual([]);
  });

  it('is reported if it does not take the lock (D1)', () => {
    const { bench, sptep } = twoLeaves();
    const { kvm, cpu } = bench;
    bench.run(
      drop(bench, cpu, function* () {
        dropSpte(kvm, cpu, sptep);
      }),
    );
    expect(bench.seen.broke.map(({ id }) => id)).toEqual(['D1']);
  });

  it('needs no lock under the default engine', () => {
    const bench = new Bench(machineOf(identity(2), { backing: '2m' }));
    const { kvm, cpu } = bench;
    const { sptep } = leaves(kvm, 2)[0]!;
    bench.run(
      drop(bench, cpu, function* () {
        dropSpte(kvm, cpu, sptep);
      }),
    );
    expect(bench.seen.broke).toEqual([]);
  });
});

describe('the locks', () => {
  it('exclude each other and all of them together', () => {
    const { bench } = twoLeaves();
    const { kvm } = bench;
    const stage = new Stage(kvm.arena, [
      function* (cpu) {
        yield* lockAllRmaps(kvm, cpu);
        if (cpu.stepped) yield cpu.at(Op.Pause, 0);
        yield* unlockAllRmaps(kvm, cpu);
      },
      function* (cpu) {
        yield* rmapLock(kvm, cpu, 2);
        yield* rmapUnlock(kvm, cpu, 2);
      },
    ]);
    stage.runUntil(0, () => stage.cpus[0]!.pendingOp === Op.Pause && stage.log.steps > 0);
    stage.runUntilBlocked(1);
    expect(stage.finishAll()).toEqual([]);
  });
});
