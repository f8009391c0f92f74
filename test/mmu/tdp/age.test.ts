// kernel-facts A12, B-24: aging of EPT01 in races with hardware and with others that share mmu_lock.
import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../../src/cpu/cpu.ts';
import { Op, type Steps } from '../../../src/cpu/steps.ts';
import { tdpAgeGfnRange, tdpAgeGfnRangeLockless } from '../../../src/mmu/tdp/age.ts';
import { tdpSetSpteGfn } from '../../../src/mmu/tdp/change-pte.ts';
import { tdpMmuZapLeafs } from '../../../src/mmu/tdp/zap.ts';
import { FROZEN_SPTE_LO, REMOVED_SPTE_LO, sptePfn } from '../../../src/mmu/format.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import { engineNamed } from '../../support/hunt.ts';
import { Stage, twice } from '../../support/programs.ts';
import { TdpBench, type TdpLeaf } from '../../support/tdp-machine.ts';

/** The page 0 as a 4K leaf of L1: accessed, writable, clean. */
function clean(): TdpBench {
  const bench = new TdpBench();
  bench.map(0, 1, { write: true, accessed: true, dirty: false });
  return bench;
}

const leaf = (bench: TdpBench): TdpLeaf => bench.tdpLeaves()[0]!;

function* age(bench: TdpBench, cpu: Cpu, lockless: boolean, seen: boolean[] = [], pages = 4): Steps<void> {
  const { kvm } = bench;
  const [start, end] = [bench.gfn(0), bench.gfn(pages)];
  if (lockless) {
    seen.push(yield* tdpAgeGfnRangeLockless(kvm, cpu, start, end, false));
    return;
  }
  yield* kvm.writeLock(cpu);
  seen.push(yield* tdpAgeGfnRange(kvm, cpu, start, end, false));
  yield* kvm.writeUnlock(cpu);
}

describe.each([false, true])('aging without mmu_lock: %j', (lockless) => {
  it('loses no D that hardware sets at any moment: the entry keeps it, or the page of the host inherits it', () => {
    for (let when = 0; when < 40; when++) {
      const dirty = twice(() => {
        const bench = clean();
        const { kvm } = bench;
        const { sptep, lo } = leaf(bench);
        const D = kvm.format.dirtyLo;
        let inherited = false;
        bench.seen.hostPageInherits = (_cpu, _sptep, _lo, _hi, dirty) => (inherited ||= dirty);
        const stage = new Stage(kvm.arena, [
          (cpu) => age(bench, cpu, lockless),
          function* (cpu) {
            if (cpu.stepped) yield cpu.at(Op.Or64, sptep * 2);
            cpu.or64(sptep, D, 0);
          },
        ]);
        expect(lo & D).toBe(0);
        for (let step = 0; step < when && stage.canGoOn(0); step++) stage.step(0);
        stage.finish(1);
        if (!stage.done(0)) stage.finish(0);
        return { stage, result: inherited || (kvm.w[sptep * 2]! & D) !== 0 };
      });
      expect([when, dirty]).toEqual([when, true]);
    }
  });

  it('clears A of leaves of every size, and does so once', () => {
    const bench = new TdpBench();
    bench.map(0, 1, { accessed: true });
    bench.map(4, 2, { accessed: true });
    const seen: boolean[] = [];
    for (let times = 0; times < 2; times++) bench.run(age(bench, bench.cpu, lockless, seen, 16));
    expect(seen).toEqual([true, false]);
    expect(bench.tdpLeaves().map(({ lo }) => lo & bench.kvm.format.accessedLo)).toEqual([0, 0]);
  });
});

describe('aging without mmu_lock', () => {
  /** A leaf that is zapped while somebody ages it: by when in the aging it is frozen, what the entry holds while it is. */
  const frozen = (engine: Engine): Set<number> => {
    const values = new Set<number>();
    for (let when = 0; when < 30; when++) {
      const bench = new TdpBench({}, engine);
      bench.map(0, 1, { accessed: true });
      const { kvm } = bench;
      const { sptep } = leaf(bench);
      const stage = new Stage(kvm.arena, [
        (cpu) => age(bench, cpu, true),
        function* (cpu) {
          if (cpu.stepped) yield cpu.at(Op.Exchange64, sptep * 2);
          cpu.exchange64(sptep, engine.frozenSpteLo, 0);
        },
      ]);
      for (let step = 0; step < when && stage.canGoOn(0); step++) stage.step(0);
      const ended = stage.done(0);
      stage.finish(1);
      if (!ended) stage.finish(0);
      values.add(kvm.w[sptep * 2]!);
      if (ended) break;
    }
    return values;
  };

  it('leaves a frozen entry frozen, at whatever moment it was frozen', () => {
    expect([...frozen(engineNamed('lockless-aging-6.15'))]).toEqual([FROZEN_SPTE_LO]);
  });

  it('thaws the frozen value of 6.1, whose A bit is set', () => {
    expect([...frozen(engineNamed('aging-thaws'))]).toEqual([REMOVED_SPTE_LO, 0x4a0]);
  });
});

describe('a changed pte', () => {
  it('is for its gfn alone', () => {
    const bench = new TdpBench();
    for (const page of [0, 1, 2]) bench.map(page, 1, { write: true, accessed: true });
    const { kvm, cpu } = bench;
    const change = (pfn: number, writable: boolean): boolean =>
      bench.locked(tdpSetSpteGfn(kvm, cpu, bench.gfn(1), pfn, writable));
    const old = bench.tdpLeaves().map(({ lo, hi }) => sptePfn(lo, hi));
    expect(change(900, false)).toBe(true);
    expect(bench.tdpLeaves().map(({ lo, hi }) => sptePfn(lo, hi))).toEqual([old[0], 900, old[2]]);
    expect(change(901, true)).toBe(true);
    expect(bench.tdpLeaves().map(({ gfn }) => gfn)).toEqual([0, 2]);
    expect(change(902, false)).toBe(false);
    bench.locked(tdpMmuZapLeafs(kvm, cpu, bench.gfn(0), bench.gfn(4), false));
    expect(bench.tdpLeaves()).toEqual([]);
  });
});
