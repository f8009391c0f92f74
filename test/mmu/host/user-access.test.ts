// Guest memory by way of the host's page tables: what a migration reads and an emulated write changes.
import { describe, expect, it } from 'vitest';
import { RandomWalk } from '../../../src/explore/strategies/random-walk.ts';
import { frameWord } from '../../../src/mmu/host/frames.ts';
import { mergePage, migratePages, swapOut } from '../../../src/mmu/host/host-memory.ts';
import { readGuestPage, writeGuestPage } from '../../../src/mmu/host/user-access.ts';
import { hostMachine } from '../../support/host.ts';
import { Bench, identity, machineOf } from '../../support/machines.ts';
import { Program } from '../../support/programs.ts';

const bench = (): Bench => new Bench(hostMachine([{ kind: 'mmu-notifier' }], {}, identity(2, [])));
const content = (b: Bench): number => b.kvm.w[frameWord(b.kvm, b.slot.pfn(b.slot.baseGfn))]!;
const put = (b: Bench, version: number): void =>
  b.kvm.arena.put(frameWord(b.kvm, b.slot.pfn(b.slot.baseGfn)), version);

describe('reading and writing a page', () => {
  it('goes straight to the frame where the host moves nothing', () => {
    const b = new Bench(machineOf(identity(2, [])));
    expect(b.run(writeGuestPage(b.kvm, b.cpu, b.slot, b.slot.baseGfn))).toBe(0);
    expect(b.run(readGuestPage(b.kvm, b.cpu, b.slot, b.slot.baseGfn))).toBe(1);
  });

  it('follows the page, brings it in, and breaks a sharing', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    const gfn = slot.baseGfn;
    put(b, 5);
    b.run(migratePages(kvm, cpu, slot, gfn, gfn + 1));
    b.run(swapOut(kvm, cpu, slot, gfn, gfn + 1));
    expect(b.run(readGuestPage(kvm, cpu, slot, gfn))).toBe(5);
    expect(slot.hostPresent(gfn)).toBe(true);
    b.run(mergePage(kvm, cpu, slot, gfn, true));
    expect(b.run(writeGuestPage(kvm, cpu, slot, gfn))).toBe(5);
    expect([slot.hostWritable(gfn), content(b)]).toEqual([true, 6]);
  });
});

describe('under moves at any moment', () => {
  const MOVES = 4;
  const WRITES = 6;

  it('reads versions that were written and never go back, and loses no write', () => {
    const b = bench();
    const { kvm, slot } = b;
    const gfn = slot.baseGfn;
    const seen: number[] = [];
    const program = new Program(kvm.arena, [
      function* (cpu) {
        for (let k = 0; k < WRITES; k++) yield* writeGuestPage(kvm, cpu, slot, gfn);
      },
      function* (cpu) {
        for (let k = 0; k < MOVES; k++) {
          yield* migratePages(kvm, cpu, slot, gfn, gfn + 1);
          yield* swapOut(kvm, cpu, slot, gfn, gfn + 1);
          yield* mergePage(kvm, cpu, slot, gfn, true);
        }
      },
      function* (cpu) {
        for (let k = 0; k < WRITES; k++) seen.push(yield* readGuestPage(kvm, cpu, slot, gfn));
      },
    ]);
    for (let schedule = 0; schedule < 60; schedule++) {
      seen.length = 0;
      const { stuck } = program.run(new RandomWalk(5), schedule);
      expect(stuck).toEqual([]);
      expect(content(b)).toBe(WRITES);
      expect(seen).toEqual([...seen].sort((x, y) => x - y));
      expect(seen.every((version) => version >= 0 && version <= WRITES)).toBe(true);
    }
    program.runTwice(new RandomWalk(5), 3);
  });
});
