// kernel-facts 3.1, 5.6, B-02, B-04, B-58, on a slot of one 1G page: four 2M pages of four pages each.
import { describe, expect, it } from 'vitest';
import { Op } from '../../../src/cpu/steps.ts';
import { P1_ENGINE } from '../../../src/mmu/default-engine.ts';
import { clearDirtyLog, enableDirtyLogging, getDirtyLog, markPageDirty } from '../../../src/mmu/dirty-log.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import { isMmuWritable, SPTE_MMU_PRESENT, SPTE_PS } from '../../../src/mmu/format.ts';
import { slotGfnWriteProtect } from '../../../src/mmu/shadow/write-protect.ts';
import {
  tdpClearDirtyPtMasked,
  tdpClearDirtySlot,
  tdpWriteProtectGfn,
  tdpWrprotSlot,
} from '../../../src/mmu/tdp/write-protect.ts';
import { tdpTrySplitHugePages } from '../../../src/mmu/tdp/split.ts';
import { Stage, type Body } from '../../support/programs.ts';
import { TdpBench, type MapOptions } from '../../support/tdp-machine.ts';
import type { Given } from '../../support/machines.ts';

function mapped(level: number, options: MapOptions = {}, engine?: Engine, given: Given = {}): TdpBench {
  const bench = new TdpBench(given, engine);
  for (let page = 0; page < 16; page += [0, 1, 4][level]!) bench.map(page, level, options);
  return bench;
}

/** Flags of each leaf, in order. */
const flags = (bench: TdpBench): string[] => bench.shape.map((leaf) => leaf.slice(leaf.indexOf(':') + 2));
const sixteen = (text: string): string[] => Array.from({ length: 16 }, () => text);
/** Pages whose leaf has the letter. */
const pagesWith = (bench: TdpBench, letter: string): number[] =>
  flags(bench).flatMap((text, page) => (text.includes(letter) ? [page] : []));

describe('write protection of a slot', () => {
  it('takes W from the level up, leaves MMU-writable, A and D, and says whether it did anything', () => {
    const bench = mapped(1);
    const { kvm, cpu, slot } = bench;
    expect(bench.shared(tdpWrprotSlot(kvm, cpu, slot, 2))).toBe(false);
    expect(flags(bench)).toEqual(sixteen('wda'));
    expect(bench.shared(tdpWrprotSlot(kvm, cpu, slot, 1))).toBe(true);
    expect(flags(bench)).toEqual(sixteen('-da'));
    expect(bench.tdpLeaves().every(({ lo, hi }) => isMmuWritable(kvm.format, lo, hi))).toBe(true);
    expect(bench.shared(tdpWrprotSlot(kvm, cpu, slot, 1))).toBe(false);
  });

  it('takes W of huge pages too, and gives the lock up on the way', () => {
    const bench = mapped(2, {}, undefined, { reschedRate: 1 });
    bench.shared(tdpWrprotSlot(bench.kvm, bench.cpu, bench.slot, 2));
    expect(flags(bench)).toEqual(['-da', '-da', '-da', '-da']);
    expect(bench.counter('tdpYields')).toBeGreaterThan(0);
  });
});

describe('clearing D of a slot', () => {
  it('leaves W, and says whether it did anything', () => {
    const bench = mapped(1);
    const { kvm, cpu, slot } = bench;
    expect(bench.shared(tdpClearDirtySlot(kvm, cpu, slot))).toBe(true);
    expect(flags(bench)).toEqual(sixteen('w-a'));
    expect(bench.shared(tdpClearDirtySlot(kvm, cpu, slot))).toBe(false);
  });

  it('takes W where there is no D', () => {
    const bench = mapped(1, {}, undefined, { hostAdBits: false });
    bench.shared(tdpClearDirtySlot(bench.kvm, bench.cpu, bench.slot));
    expect(flags(bench)).toEqual(sixteen('---'));
  });

  /** The pass stands before its exchange at the huge page; a split makes a table of it. The value of the entry afterwards. */
  function raceWithSplit(engine: Engine): { low: number; shape: string[] } {
    const bench = new TdpBench({}, engine);
    bench.map(0, 2);
    const { kvm, slot } = bench;
    const { sptep } = bench.tdpLeaves()[0]!;
    const under = (pass: 'clear' | 'split'): Body =>
      function* (cpu) {
        yield* kvm.readLock(cpu);
        if (pass === 'clear') yield* tdpClearDirtySlot(kvm, cpu, slot);
        else yield* tdpTrySplitHugePages(kvm, cpu, slot, slot.baseGfn, slot.baseGfn + 4, 1, true);
        yield* kvm.readUnlock(cpu);
      };
    const stage = new Stage(kvm.arena, [under('clear'), under('split')]);
    const [clearing] = stage.cpus;
    stage.runUntil(
      0,
      () => clearing!.pendingOp === Op.CompareExchange64 && clearing!.pendingWord === sptep * 2,
    );
    stage.finish(1);
    stage.finish(0);
    return { low: kvm.w[sptep * 2]!, shape: bench.shape };
  }

  it('looks again at what an exchange that failed has brought: a table is left alone (B-02)', () => {
    const { low, shape } = raceWithSplit(P1_ENGINE);
    expect(low & (SPTE_PS | SPTE_MMU_PRESENT)).toBe(SPTE_MMU_PRESENT);
    expect(shape).toEqual(['0:1w-a', '1:1w-a', '2:1w-a', '3:1w-a']);
  });

  it('would take the table for a leaf if only its presence were tested', () => {
    const { shape } = raceWithSplit({
      ...P1_ENGINE,
      tdpClearDirtyApplies: (lo) => (lo & SPTE_MMU_PRESENT) !== 0,
    });
    // Bit 9 of the pointer was not D: nothing to do, it was thought, and the walk went on.
    expect(shape).not.toEqual(['0:1wda', '1:1wda', '2:1wda', '3:1wda']);
  });
});

describe('a word of the log', () => {
  const masked = (bench: TdpBench, first: number, mask: number, wrprot: boolean): void =>
    bench.locked(tdpClearDirtyPtMasked(bench.kvm, bench.cpu, bench.slot, bench.gfn(first), mask, 0, wrprot));

  it('takes W, or D, of exactly the pages it names', () => {
    const bench = mapped(1);
    masked(bench, 0, 0b1000_0000_0010_0001, true);
    expect(pagesWith(bench, 'w')).toEqual([1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    masked(bench, 2, 0b11, false);
    expect(pagesWith(bench, 'd')).toEqual([0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  });

  it('leaves huge pages as they are', () => {
    const bench = mapped(2);
    masked(bench, 0, -1, true);
    expect(flags(bench)).toEqual(['wda', 'wda', 'wda', 'wda']);
  });

  it('is through with the last page it names; before f1b3b06a058b pages that needed nothing kept it going (B-58)', () => {
    const loads = (engine: Engine): number => {
      const bench = mapped(1, { write: false }, engine);
      const before = bench.cpu.now();
      masked(bench, 0, 0b1, true);
      return bench.cpu.now() - before;
    };
    expect(loads({ ...P1_ENGINE, tdpMaskBitGoesFirst: false })).toBeGreaterThan(2 * loads(P1_ENGINE));
  });
});

describe('write protection of a gfn', () => {
  const state = (bench: TdpBench, page: number): boolean[] => {
    const { lo, hi } = bench.tdpLeaves()[page]!;
    return [(lo & 2) !== 0, isMmuWritable(bench.kvm.format, lo, hi)];
  };
  /** A leaf that a harvest has write-protected and not flushed for; then its page becomes a table of L1. */
  function shadowed(engine: Engine): { flush: boolean; state: boolean[] } {
    const bench = mapped(1, {}, engine);
    const { kvm, cpu, slot } = bench;
    bench.locked(tdpClearDirtyPtMasked(kvm, cpu, slot, bench.gfn(0), 1, 0, true));
    const flush = bench.locked(slotGfnWriteProtect(kvm, cpu, slot, bench.gfn(0), 1));
    return { flush, state: state(bench, 0) };
  }

  it('takes W and MMU-writable of that page, and of no other', () => {
    const bench = mapped(1);
    expect(bench.locked(tdpWriteProtectGfn(bench.kvm, bench.cpu, bench.slot, bench.gfn(6), 1))).toBe(true);
    expect([state(bench, 6), pagesWith(bench, 'w').length]).toEqual([[false, false], 15]);
    expect(bench.locked(tdpWriteProtectGfn(bench.kvm, bench.cpu, bench.slot, bench.gfn(6), 1))).toBe(false);
  });

  it('takes them of the huge page around it, from 2M up only', () => {
    const bench = mapped(2);
    const small = mapped(1);
    for (const made of [bench, small]) {
      made.locked(tdpWriteProtectGfn(made.kvm, made.cpu, made.slot, made.gfn(6), 2));
    }
    expect([flags(bench), flags(small)]).toEqual([['wda', '-da', 'wda', 'wda'], sixteen('wda')]);
  });

  it('asks for a flush though W was gone, as long as MMU-writable was there (B-04)', () => {
    expect(shadowed(P1_ENGINE)).toEqual({ flush: true, state: [false, false] });
    const before: Engine = { ...P1_ENGINE, tdpNeedsWriteProtect: (_kvm, lo) => (lo & 2) !== 0 };
    expect(shadowed(before)).toEqual({ flush: false, state: [false, true] });
  });
});

describe('the ioctls', () => {
  const dirty = (bench: TdpBench, ...pages: number[]): void => {
    for (const page of pages) bench.run(markPageDirty(bench.kvm, bench.cpu, bench.slot, bench.gfn(page)));
  };

  it.each([0, 8])('E1 on 4K pages takes W, or with PML D (pml %s)', (pml) => {
    const bench = mapped(1, {}, undefined, { pml });
    bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
    expect(flags(bench)).toEqual(sixteen(pml === 0 ? '-da' : 'w-a'));
    expect(bench.counter('flushEndOfIoctl')).toBe(1);
  });

  it.each([0, 8])('E1 without eager splitting takes W of huge pages, with PML too (pml %s)', (pml) => {
    const bench = mapped(2, {}, undefined, { pml, eager: false });
    bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
    expect(flags(bench)).toEqual(Array.from({ length: 4 }, () => (pml === 0 ? '-da' : '--a')));
  });

  it.each([0, 8])('GET takes it of what it reports (pml %s)', (pml) => {
    const bench = mapped(1, {}, undefined, { pml });
    const { kvm, cpu, slot } = bench;
    bench.run(enableDirtyLogging(kvm, cpu, slot));
    for (const { sptep, lo } of bench.tdpLeaves()) kvm.arena.put(sptep * 2, lo | 2 | kvm.format.dirtyLo);
    dirty(bench, 3, 7);
    expect(bench.run(getDirtyLog(kvm, cpu, slot))).toBe(2);
    expect(pagesWith(bench, pml === 0 ? 'w' : 'd')).toEqual([0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15]);
  });

  it('CLEAR under INITIALLY_SET splits what it names and protects what it cannot split', () => {
    const shape = (given: Given, lo: number): string[] => {
      const bench = mapped(2, {}, undefined, { manual: 'initially-set', ...given });
      bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
      bench.run(clearDirtyLog(bench.kvm, bench.cpu, bench.slot, 0, 64, { lo, hi: 0 }));
      return bench.shape;
    };
    expect(shape({}, 0b1010_0000)).toEqual([
      '0:2wda',
      '4:1wda',
      '5:1-da',
      '6:1wda',
      '7:1-da',
      '8:2wda',
      '12:2wda',
    ]);
    expect(shape({ eager: false }, 0b10_0010_0000)).toEqual(['0:2wda', '4:2-da', '8:2-da', '12:2wda']);
    // One bit is an empty range (B-01). The walk still meets the huge page that begins before it, but not one that begins there.
    expect(shape({}, 0b1_0000)).toEqual(['0:2wda', '4:2-da', '8:2wda', '12:2wda']);
    expect(shape({}, 0b10_0000).slice(0, 3)).toEqual(['0:2wda', '4:1wda', '5:1-da']);
  });

  it('CLEAR splits for a single bit too since 1aa4bb916808', () => {
    const bench = mapped(
      2,
      {},
      { ...P1_ENGINE, clearSplitEnd: (last) => last + 1 },
      { manual: 'initially-set' },
    );
    bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
    bench.run(clearDirtyLog(bench.kvm, bench.cpu, bench.slot, 0, 64, { lo: 0b1_0000, hi: 0 }));
    expect(bench.shape.slice(0, 3)).toEqual(['0:2wda', '4:1-da', '5:1wda']);
  });
});
