/** docs/findings/e2-clears-mmu-writable-before-its-flush.md as a test. */
import { describe, expect, it } from 'vitest';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { mix, Rng } from '../../src/cpu/random.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { KVM, type Kvm } from '../../src/mmu/kvm.ts';
import { spteWriteProtect } from '../../src/mmu/shadow/write-protect.ts';
import { ControlledRuntime } from '../../src/runtime/controlled.ts';
import type { Scheduler } from '../../src/runtime/scheduler.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { defineScenario } from '../../src/scenario/define.ts';

/** L2 maps everything by 2M entries, L1's tables included; a second range has tables nobody has used yet. */
const scenario = defineScenario({
  name: 'table-in-huge-page',
  summary: 'L1 keeps unshadowed tables inside memory that L2 maps by huge pages',
  about: '',
  facts: ['D10', '3.1 E2', 'B-07'],
  explore: { memory: '128K', backing: '2m', rootLevel: 4, rounds: 1 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [
      {
        name: 'L2',
        mappings: [
          { l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 },
          { l2Gfn: 0, l1Gfn: base, level: 1, count: 32 },
        ],
      },
    ],
    tables: 'migrated-slot',
    populate: [
      { access: 'write', l2Gfn: 0 },
      ...[0, 1, 2].map((vcpu) => ({
        access: 'write' as const,
        vcpu,
        l2Gfn: base,
        count: pages / huge2,
        stride: huge2,
      })),
    ],
  }),
});

/** Keeps the dirty-log thread (actor 0) from its flush while the others run. */
class KeepWindowOpen implements Scheduler {
  private readonly kvm: Kvm;
  private readonly rng = new Rng(1);

  constructor(kvm: Kvm) {
    this.kvm = kvm;
  }

  begin(_actors: unknown, schedule: number): void {
    this.rng.seed(mix(77, schedule, 9));
  }

  pick(enabled: Int32Array, count: number): number {
    const owed = this.kvm.get(KVM.deferredFlush) !== 0;
    const owner = this.kvm.get(KVM.mmuOwner);
    if (!owed && this.kvm.get(KVM.firstCopyDone) === 0 && enabled[0] === 0 && this.rng.chance(0.6)) return 0;
    const from = owed && enabled[0] === 0 && owner !== 1 ? 1 : 0;
    if (owed && owner === 0 && from === 0) return enabled[0]!;
    return enabled[from + this.rng.below(count - from)]!;
  }
}

function brokenIn(engine: Engine, schedules: number): { readonly ids: string[]; readonly hashes: string[] } {
  const machine = buildMachine(scenario, 'explore', {
    manual: 'initially-set',
    eager: false,
    vcpus: 3,
    ops: 4,
  });
  const runtime = new ControlledRuntime({
    machine,
    layout: layoutThatFits(machine, 2 ** 32),
    engine,
    judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
  });
  const results = Array.from({ length: schedules }, (_, schedule) =>
    runtime.run(new KeepWindowOpen(runtime.kvm), 5, schedule),
  );
  return {
    ids: results.flatMap((result) => result.violations.map((violation) => violation.id)),
    hashes: results.map((result) => result.hash),
  };
}

describe('CLEAR_DIRTY_LOG with INITIALLY_SET and huge pages that stay huge', () => {
  it('lets a CPU write a shadowed table before the flush of the ioctl', () => {
    const first = brokenIn(P1_ENGINE, 50);
    expect(new Set(first.ids)).toEqual(new Set(['D10']));
    expect(brokenIn(P1_ENGINE, 50).hashes).toEqual(first.hashes);
  });

  it('does not if MMU-writable is kept for as long as the flush is owed', () => {
    const kept: Engine = {
      ...P1_ENGINE,
      spteWriteProtect: (kvm, cpu, sptep, lo, hi, ptProtect) =>
        spteWriteProtect(kvm, cpu, sptep, lo, hi, ptProtect && kvm.get(KVM.mmuOwner) !== 1),
    };
    expect(brokenIn(kept, 50).ids).toEqual([]);
  });
});
