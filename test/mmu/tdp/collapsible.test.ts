// kernel-facts A17, 3.13 (13e2e4f62a4b), on a slot of one 1G page: four 2M pages of four pages each.
import { describe, expect, it } from 'vitest';
import { P1_ENGINE } from '../../../src/mmu/default-engine.ts';
import { disableDirtyLogging, enableDirtyLogging } from '../../../src/mmu/dirty-log.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import { isExecutable } from '../../../src/mmu/format.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { tdpRecoverHugePages } from '../../../src/mmu/tdp/collapsible.ts';
import type { Given } from '../../support/machines.ts';
import { TdpBench } from '../../support/tdp-machine.ts';

const RECOVERS: Engine = { ...P1_ENGINE, tdpCollapseRange: tdpRecoverHugePages };

/** Maps the slot by 2M pages, turns logging on and off. */
function toggled(engine: Engine, given: Given = {}, prepare?: (bench: TdpBench) => void): TdpBench {
  const bench = new TdpBench({ backing: '2m', ...given }, engine);
  for (let page = 0; page < 16; page += 4) bench.map(page, 2);
  bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
  prepare?.(bench);
  bench.run(disableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
  return bench;
}

const leafStatistics = ({ kvm }: TdpBench): number[] => [0, 1, 2].map((at) => kvm.get(KVM.tdpLeaves + at));

describe('turning logging off', () => {
  it('in 6.1 zaps the tables, with a flush for each, and frees them', () => {
    const bench = toggled(P1_ENGINE);
    expect([bench.shape, leafStatistics(bench)]).toEqual([[], [0, 0, 0]]);
    expect([bench.counter('flushLogOff'), bench.kvm.get(KVM.rcuPending)]).toEqual([4, 0]);
  });

  it('since 6.13 puts the huge pages back in place, with one flush', () => {
    const bench = toggled(RECOVERS);
    expect([bench.shape, leafStatistics(bench)]).toEqual([
      ['0:2-da', '4:2-da', '8:2-da', '12:2-da'],
      [0, 4, 0],
    ]);
    expect([bench.counter('flushLogOff'), bench.kvm.get(KVM.rcuPending)]).toEqual([1, 0]);
  });

  it('takes the largest page that slot and host allow', () => {
    expect(toggled(RECOVERS, { backing: '1g' }).shape).toEqual(['0:3-da']);
    expect(toggled(RECOVERS, { backing: '4k' }).shape.length).toBe(16);
    expect(toggled(P1_ENGINE, { backing: '4k' }).shape.length).toBe(16);
  });

  it('leaves what shadowed tables keep small', () => {
    const bench = toggled(RECOVERS, {}, ({ kvm, slot }) => {
      kvm.arena.put(slot.lpageInfoWord(slot.baseGfn + 5, 2), 1);
    });
    expect(bench.shape.map((leaf) => leaf.slice(0, -3))).toEqual('0:2 4:1 5:1 6:1 7:1 8:2 12:2'.split(' '));
  });

  it('makes the huge page from the first leaf there is, and none from an empty table', () => {
    const bench = toggled(RECOVERS, {}, (made) => {
      const leaves = made.tdpLeaves();
      for (const page of [0, 4, 5, 6, 7]) made.kvm.arena.put(leaves[page]!.sptep * 2, 0);
    });
    expect(bench.shape).toEqual(['0:2-da', '8:2-da', '12:2-da']);
    expect(bench.tdpLeaves()[0]!.lo >>> 12).toBe(bench.slot.pfn(bench.gfn(0)));
  });

  it('makes no huge page executable under the mitigation (Q32)', () => {
    const bench = toggled(RECOVERS, { nx: true });
    const f = bench.kvm.format;
    expect(bench.tdpLeaves().map(({ lo, hi }) => isExecutable(f, lo, hi))).toEqual([
      false,
      false,
      false,
      false,
    ]);
    expect(
      toggled(RECOVERS)
        .tdpLeaves()
        .every(({ lo, hi }) => isExecutable(f, lo, hi)),
    ).toBe(true);
  });

  it('gives the lock up on the way and flushes before, since 6.13', () => {
    const bench = toggled(RECOVERS, { reschedRate: 1 });
    expect(bench.shape.length).toBe(4);
    expect([bench.counter('flushLogOff') > 1, bench.counter('tdpYields') > 0]).toEqual([true, true]);
  });
});
