// kernel-facts A12, B-24: aging of EPT01 in races with hardware and with others that share mmu_lock.
import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../../src/cpu/cpu.ts';
import { Op, type Steps } from '../../../src/cpu/steps.ts';
import { tdpAgeGfnRange } from '../../../src/mmu/tdp/age.ts';
import { tdpSetSpteGfn } from '../../../src/mmu/tdp/change-pte.ts';
import { tdpMmuZapLeafs } from '../../../src/mmu/tdp/zap.ts';
import { sptePfn } from '../../../src/mmu/format.ts';
import { Stage, twice } from '../../support/programs.ts';
import { TdpBench, type TdpLeaf } from '../../support/tdp-machine.ts';

/** The page 0 as a 4K leaf of L1: accessed, writable, clean. */
function clean(): TdpBench {
  const bench = new TdpBench();
  bench.map(0, 1, { write: true, accessed: true, dirty: false });
  return bench;
}

const leaf = (bench: TdpBench): TdpLeaf => bench.tdpLeaves()[0]!;

function* age(bench: TdpBench, cpu: Cpu, shared: boolean, seen: boolean[] = []): Steps<void> {
  const { kvm } = bench;
  yield* shared ? kvm.readLock(cpu) : kvm.writeLock(cpu);
  seen.push(yield* tdpAgeGfnRange(kvm, cpu, bench.gfn(0), bench.gfn(4), false, shared));
  yield* shared ? kvm.readUnlock(cpu) : kvm.writeUnlock(cpu);
}

describe.each([false, true])('aging with a shared lock: %j', (shared) => {
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
          (cpu) => age(bench, cpu, shared),
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
    const whole = function* (): Steps<void> {
      const { kvm, cpu } = bench;
      seen.push(yield* tdpAgeGfnRange(kvm, cpu, bench.gfn(0), bench.gfn(16), false, shared));
    };
    const locked = (): void => (shared ? bench.shared(whole()) : bench.locked(whole()));
    locked();
    locked();
    expect(seen).toEqual([true, false]);
    expect(bench.tdpLeaves().map(({ lo }) => lo & bench.kvm.format.accessedLo)).toEqual([0, 0]);
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
