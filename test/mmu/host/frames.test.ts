// Free host frames: first in first out, poisoned (D7).
import { describe, expect, it } from 'vitest';
import {
  copyFrame,
  frameWord,
  freeFrame,
  freeFrames,
  isFree,
  isPoisoned,
  takeFrame,
  takeThisFrame,
} from '../../../src/mmu/host/frames.ts';
import { Bench } from '../../support/machines.ts';
import { hostMachine } from '../../support/host.ts';

const bench = (): Bench => new Bench(hostMachine([{ kind: 'mmu-notifier' }]));

describe('the ring of free frames', () => {
  it('starts with the spare frames, right behind those of the slots, all poisoned', () => {
    const { kvm } = bench();
    const last = kvm.slots[1]!.config.basePfn + kvm.slots[1]!.npages;
    expect(freeFrames(kvm)).toBe(kvm.config.spareFrames);
    for (let k = 0; k < kvm.config.spareFrames; k++) {
      expect(isFree(kvm, last + k)).toBe(true);
      expect(isPoisoned(kvm.w[frameWord(kvm, last + k)]!)).toBe(true);
    }
    expect(isFree(kvm, last - 1)).toBe(false);
  });

  it('hands a frame that was given up out again only after all others', () => {
    const b = bench();
    const { kvm, cpu } = b;
    const given = takeFrame(kvm);
    b.run(freeFrame(kvm, cpu, given));
    const order = Array.from({ length: kvm.config.spareFrames }, () => takeFrame(kvm));
    expect(order.at(-1)).toBe(given);
    expect(new Set(order).size).toBe(kvm.config.spareFrames);
    expect(takeFrame(kvm)).toBe(-1);
  });

  it('gives out one frame by name and keeps the order of the others', () => {
    const b = bench();
    const { kvm } = b;
    const first = takeFrame(kvm);
    takeThisFrame(kvm, first + 3);
    expect([takeFrame(kvm), takeFrame(kvm), takeFrame(kvm)]).toEqual([first + 1, first + 2, first + 4]);
  });

  it('poisons what is freed, and a copy takes the poison away', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    const to = takeFrame(kvm);
    const from = slot.pfn(slot.baseGfn);
    const version = kvm.w[frameWord(kvm, from)]!;
    expect(version).toBeGreaterThan(0);
    b.run(copyFrame(kvm, cpu, from, to));
    b.run(freeFrame(kvm, cpu, from));
    expect(kvm.w[frameWord(kvm, to)]).toBe(version);
    expect(isPoisoned(kvm.w[frameWord(kvm, from)]!)).toBe(true);
  });
});
