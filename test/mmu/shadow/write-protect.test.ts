// Kernel-facts 2.7 and 5.6: the two kinds of write protection.
import { describe, expect, it } from 'vitest';
import { accountShadowed } from '../../../src/mmu/shadow/get-page.ts';
import { rmapWriteProtect, slotGfnWriteProtect } from '../../../src/mmu/shadow/write-protect.ts';
import { isHostWritable, isMmuWritable, isWritable } from '../../../src/mmu/format.ts';
import { aliases, Bench, leaves, machineOf } from '../../support/machines.ts';

/** (H, M, W) of every leaf, as kernel-facts 2.7 writes them. */
const hmw = ({ kvm }: Bench, level: number): string[] =>
  leaves(kvm, level).map(({ lo, hi }) =>
    [isHostWritable(kvm.format, lo, hi), isMmuWritable(kvm.format, lo, hi), isWritable(lo)]
      .map(Number)
      .join(''),
  );

const made = (format: string, count = 3): Bench => {
  const bench = new Bench(machineOf(aliases(count), { backing: '2m', memory: '16K', format }));
  bench.run(bench.kvm.writeLock(bench.cpu));
  return bench;
};

describe.each(['ept', 'npt'])('write protection of %s entries', (format) => {
  it('for the log takes W from every alias and leaves MMU-writable; it needs a flush, the second time none', () => {
    const bench = made(format);
    const { kvm, cpu, slot } = bench;
    const protect = (): boolean =>
      bench.run(rmapWriteProtect(kvm, cpu, slot.rmapWord(slot.baseGfn, 2), false));
    expect(hmw(bench, 2)).toEqual(['111', '111', '111']);
    expect(protect()).toBe(true);
    expect(hmw(bench, 2)).toEqual(['110', '110', '110']);
    expect(protect()).toBe(false);
  });

  it('for a shadowed table takes both, and needs a flush even where W is gone already (B-04, B-07)', () => {
    const bench = made(format);
    const { kvm, cpu, slot } = bench;
    bench.run(rmapWriteProtect(kvm, cpu, slot.rmapWord(slot.baseGfn, 2), false));
    expect(bench.run(slotGfnWriteProtect(kvm, cpu, slot, slot.baseGfn + 3, 1))).toBe(true);
    expect(hmw(bench, 2)).toEqual(['100', '100', '100']);
    expect(bench.run(slotGfnWriteProtect(kvm, cpu, slot, slot.baseGfn + 3, 1))).toBe(false);
  });

  it('looks at the levels it is told to', () => {
    const bench = made(format);
    const { kvm, cpu, slot } = bench;
    expect(bench.run(slotGfnWriteProtect(kvm, cpu, slot, slot.baseGfn, 3))).toBe(false);
    expect(hmw(bench, 2)).toEqual(['111', '111', '111']);
  });

  it('of a new table flushes before anything else, if it changed anything', () => {
    const bench = made(format);
    const { kvm, cpu, slot, seen } = bench;
    bench.run(accountShadowed(kvm, cpu, slot, slot.baseGfn + 1));
    bench.run(accountShadowed(kvm, cpu, slot, slot.baseGfn + 1));
    expect(seen.flushes).toEqual([{ reason: 'write-protect', gfn: slot.baseGfn + 1, pages: 1 }]);
  });
});
