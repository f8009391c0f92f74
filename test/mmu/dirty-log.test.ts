// kernel-facts 3.1, A13 to A17, on a slot of four 2M pages of four pages each.
import { describe, expect, it } from 'vitest';
import {
  clearDirtyLog,
  disableDirtyLogging,
  emulateWrite,
  enableDirtyLogging,
  getDirtyLog,
  markPageDirty,
  popcount,
} from '../../src/mmu/dirty-log.ts';
import { isMmuWritable, isWritable } from '../../src/mmu/format.ts';
import { KVM } from '../../src/mmu/kvm.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, LOG_STATE_ENABLED, LOG_STATE_OFF } from '../../src/mmu/memslot.ts';
import { pageGetGfn } from '../../src/mmu/shadow-page.ts';
import { Bench, identity, leaves, machineOf, type Given } from '../support/machines.ts';

const ALL = { lo: -1, hi: -1 };

function logged(given: Given = {}): Bench {
  const bench = new Bench(machineOf(identity(2), { backing: '2m', ...given }));
  bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
  return bench;
}

/** gfns relative to the slot with the bit set. */
function bits({ kvm, slot }: Bench, which: 'dirtyBitmap' | 'userBitmap'): number[] {
  return Array.from({ length: slot.layout.bitmapWords * 32 }, (_, bit) => bit).filter(
    (bit) => (kvm.w[slot.layout[which] + (bit >> 5)]! & (1 << (bit & 31))) !== 0,
  );
}

/** gfns relative to the slot whose 4K leaf is writable. */
const writable = ({ kvm, slot }: Bench): number[] =>
  leaves(kvm, 1)
    .filter(({ lo }) => isWritable(lo))
    .map(({ sp, index }) => pageGetGfn(kvm, sp, index) - slot.baseGfn)
    .sort((a, b) => a - b);

const write = (bench: Bench, ...pages: number[]): void => {
  for (const page of pages) bench.touch(bench.slot.baseGfn + page, 'write');
};
const get = (bench: Bench): number => bench.run(getDirtyLog(bench.kvm, bench.cpu, bench.slot));
const clear = (bench: Bench, mask?: { lo: number; hi: number }): number =>
  bench.run(clearDirtyLog(bench.kvm, bench.cpu, bench.slot, 0, 64, mask));
const ends = (bench: Bench): number => bench.counter('flushEndOfIoctl');

describe('turning logging on', () => {
  it('splits everything, takes W and leaves MMU-writable, flushes once', () => {
    const bench = logged();
    const { kvm, slot } = bench;
    expect([leaves(kvm, 2).length, leaves(kvm, 1).length]).toEqual([0, 16]);
    expect(writable(bench)).toEqual([]);
    expect(leaves(kvm, 1).every(({ lo, hi }) => isMmuWritable(kvm.format, lo, hi))).toBe(true);
    expect([ends(bench), bits(bench, 'dirtyBitmap')]).toEqual([1, []]);
    expect([kvm.w[slot.flagsWord]! & KVM_MEM_LOG_DIRTY_PAGES, kvm.w[slot.logStateWord]]).toEqual([
      KVM_MEM_LOG_DIRTY_PAGES,
      LOG_STATE_ENABLED,
    ]);
    expect([kvm.w[kvm.mmuLock.cnts], kvm.w[kvm.slotsLock.state], kvm.get(KVM.deferredFlush)]).toEqual([
      0, 0, 0,
    ]);
  });

  it('with INITIALLY_SET splits nothing, takes nothing, flushes nothing, and reports every page of the slot', () => {
    const bench = logged({ manual: 'initially-set', memory: '160K', rootLevel: 4 });
    expect([leaves(bench.kvm, 2).length, bench.seen.splits.length, ends(bench)]).toEqual([10, 0, 0]);
    expect(leaves(bench.kvm, 2).every(({ lo }) => isWritable(lo))).toBe(true);
    expect(bits(bench, 'dirtyBitmap')).toEqual(Array.from({ length: 40 }, (_, i) => i));
  });

  it.each([{ eager: false }])(
    'without eager splitting only write-protects: huge pages stay (%j)',
    (given) => {
      const bench = logged(given);
      expect([leaves(bench.kvm, 2).length, leaves(bench.kvm, 1).length, bench.seen.splits.length]).toEqual([
        4, 0, 0,
      ]);
      expect(leaves(bench.kvm, 2).some(({ lo }) => isWritable(lo))).toBe(false);
      expect(ends(bench)).toBe(1);
    },
  );
});

describe('a write after logging was turned on', () => {
  it('sets the bit of its page and gives W back to it alone', () => {
    const bench = logged();
    write(bench, 5, 11);
    expect([bits(bench, 'dirtyBitmap'), writable(bench)]).toEqual([
      [5, 11],
      [5, 11],
    ]);
    expect(bench.counter('dirtySet')).toBe(2);
    write(bench, 5);
    expect(bench.counter('dirtySet')).toBe(2);
  });

  it('to a page that is still huge makes a 4K page of it, and no more than that', () => {
    const bench = logged({ eager: false });
    write(bench, 6);
    expect([bits(bench, 'dirtyBitmap'), writable(bench), leaves(bench.kvm, 2).length]).toEqual([[6], [6], 3]);
  });

  it('by emulation stores first and then sets the bit, and sets none without logging', () => {
    const bench = logged();
    const at = bench.kvm.layout.memory + bench.slot.pfn(bench.slot.baseGfn + 3);
    const before = bench.kvm.w[at]!;
    bench.run(emulateWrite(bench.vcpu(), bench.slot, bench.slot.baseGfn + 3));
    expect([bench.kvm.w[at]! - before, bits(bench, 'dirtyBitmap')]).toEqual([1, [3]]);
    bench.run(disableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
    bench.run(emulateWrite(bench.vcpu(), bench.slot, bench.slot.baseGfn + 4));
    expect(bits(bench, 'dirtyBitmap')).toEqual([]);
  });
});

describe('KVM_GET_DIRTY_LOG', () => {
  it('hands out the bits, takes them and W, and flushes once', () => {
    const bench = logged();
    write(bench, 1, 2, 15);
    expect(get(bench)).toBe(3);
    expect([bits(bench, 'userBitmap'), bits(bench, 'dirtyBitmap'), writable(bench)]).toEqual([
      [1, 2, 15],
      [],
      [],
    ]);
    expect(ends(bench)).toBe(2);
    expect(get(bench)).toBe(0);
    expect(ends(bench)).toBe(2);
  });

  it('sees the same page again after it was written again, and keeps what user space has not copied', () => {
    const bench = logged();
    write(bench, 1);
    get(bench);
    write(bench, 1, 2);
    expect(get(bench)).toBe(2);
    expect(bits(bench, 'userBitmap')).toEqual([1, 2]);
  });

  it('with manual protection copies only: bits, W and TLBs stay as they are', () => {
    const bench = logged({ manual: 'manual' });
    write(bench, 1, 2);
    expect([get(bench), get(bench)]).toEqual([2, 2]);
    expect([bits(bench, 'dirtyBitmap'), writable(bench), ends(bench)]).toEqual([[1, 2], [1, 2], 1]);
  });
});

describe('KVM_CLEAR_DIRTY_LOG', () => {
  it('takes the bits that are asked for and set, with the W of their pages, and flushes once', () => {
    const bench = logged({ manual: 'manual' });
    write(bench, 1, 2, 3);
    clear(bench, { lo: 0b10110, hi: 0 });
    expect([bits(bench, 'dirtyBitmap'), writable(bench), ends(bench)]).toEqual([[3], [3], 2]);
  });

  it('does not flush if it took nothing', () => {
    const bench = logged({ manual: 'manual' });
    write(bench, 1);
    clear(bench, { lo: 0b100, hi: 0 });
    expect([bits(bench, 'dirtyBitmap'), ends(bench)]).toEqual([[1], 1]);
  });

  it('takes what user space has in hand when no mask is given', () => {
    const bench = logged({ manual: 'manual' });
    write(bench, 1, 2);
    get(bench);
    write(bench, 9);
    clear(bench);
    expect(bits(bench, 'dirtyBitmap')).toEqual([9]);
  });

  it('ignores bits beyond the slot', () => {
    const bench = logged({ manual: 'initially-set' });
    clear(bench, ALL);
    expect([bits(bench, 'dirtyBitmap'), leaves(bench.kvm, 1).length]).toEqual([[], 16]);
  });

  it('with INITIALLY_SET splits the blocks of the word up to the last bit, and write-protects the 4K pages it names', () => {
    const bench = logged({ manual: 'initially-set' });
    clear(bench, { lo: 0b1001_0000, hi: 0 });
    expect(
      leaves(bench.kvm, 1).map(({ sp, index }) => pageGetGfn(bench.kvm, sp, index) - bench.slot.baseGfn),
    ).toEqual([4, 5, 6, 7]);
    expect([writable(bench), leaves(bench.kvm, 2).length, ends(bench)]).toEqual([[5, 6], 3, 1]);
  });

  it('leaves the block of the last bit huge if that is its first page, and write-protects it (B-01)', () => {
    const bench = logged({ manual: 'initially-set' });
    clear(bench, { lo: 0b1_0001, hi: 0 });
    const huge = leaves(bench.kvm, 2).map(({ sp, index, lo, hi }) => [
      pageGetGfn(bench.kvm, sp, index) - bench.slot.baseGfn,
      isWritable(lo),
      isMmuWritable(bench.kvm.format, lo, hi),
    ]);
    expect(huge.sort(([a], [b]) => Number(a) - Number(b))).toEqual([
      [4, false, false],
      [8, true, true],
      [12, true, true],
    ]);
  });

  it('write-protects each block it names where it may not split, and no other', () => {
    const bench = logged({ manual: 'initially-set', eager: false });
    clear(bench, { lo: 0b10_0010_0000, hi: 0 });
    const { kvm, slot } = bench;
    const writable2 = leaves(kvm, 2).filter(({ lo }) => isWritable(lo));
    expect(writable2.map(({ sp, index }) => pageGetGfn(kvm, sp, index) - slot.baseGfn)).toEqual([0, 12]);
    expect([leaves(kvm, 2).length, ends(bench)]).toEqual([4, 1]);
  });

  it('of one bit splits its block although the range is empty (B-01)', () => {
    const bench = logged({ manual: 'initially-set' });
    clear(bench, { lo: 1 << 8, hi: 0 });
    expect([leaves(bench.kvm, 1).length, writable(bench)]).toEqual([4, [9, 10, 11]]);
  });
});

describe('turning logging off', () => {
  it('stops the setting of bits, and the next write maps its page huge again', () => {
    const bench = logged();
    bench.run(disableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
    write(bench, 4);
    expect([bits(bench, 'dirtyBitmap'), leaves(bench.kvm, 2).map(({ lo }) => isWritable(lo))]).toEqual([
      [],
      [true],
    ]);
    expect([bench.kvm.w[bench.slot.flagsWord], bench.kvm.w[bench.slot.logStateWord]]).toEqual([
      0,
      LOG_STATE_OFF,
    ]);
  });
});

describe('the bitmap', () => {
  it('has a bit for each page of the slot, in both halves of its words', () => {
    const bench = logged({ memory: '400K', rootLevel: 4 });
    const pages = [0, 31, 32, 63, 64, 99];
    for (const page of pages)
      bench.run(markPageDirty(bench.kvm, bench.cpu, bench.slot, bench.slot.baseGfn + page));
    expect(bits(bench, 'dirtyBitmap')).toEqual(pages);
    expect([popcount(0), popcount(-1), popcount(0x80000001 | 0)]).toEqual([0, 32, 2]);
  });
});
