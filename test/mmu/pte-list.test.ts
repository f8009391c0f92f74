import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KernelBug } from '../../src/mmu/bug.ts';
import type { Kvm } from '../../src/mmu/kvm.ts';
import { cacheCount, cacheTopup, vcpuCaches } from '../../src/mmu/memory-cache.ts';
import {
  pteListAdd,
  pteListDescs,
  pteListEntries,
  pteListRemove,
  RmapIterator,
} from '../../src/mmu/pte-list.ts';
import { Bench, machineOf, identity } from '../support/machines.ts';
import { holds } from '../support/property.ts';

const bench = new Bench(machineOf(identity(2, []), { backing: '2m' }));

/** kernel-facts 1.3, the 6.1 algorithm, with lists of lists. */
class Model {
  single: number | undefined;
  descs: number[][] = [];

  add(sptep: number): number {
    const before = this.entries().length;
    if (before === 0) this.single = sptep;
    else if (this.descs.length === 0) {
      this.descs = [[this.single!, sptep]];
      this.single = undefined;
      return 1;
    } else {
      const at = this.descs.findIndex((desc) => desc.length < 14);
      if (at === -1) this.descs.push([sptep]);
      else this.descs[at]!.push(sptep);
      return at === -1 ? before : this.descs.slice(0, at + 1).reduce((sum, desc) => sum + desc.length, 0) - 1;
    }
    return before;
  }

  remove(sptep: number): void {
    if (this.descs.length === 0) {
      this.single = undefined;
      return;
    }
    const desc = this.descs.find((one) => one.includes(sptep))!;
    const last = desc.pop()!;
    if (last !== sptep) desc[desc.indexOf(sptep)] = last;
    this.descs = this.descs.filter((one) => one.length > 0);
  }

  entries(): number[] {
    return this.single === undefined ? this.descs.flat() : [this.single];
  }
}

/** An empty head, and a descriptor cache that is full. */
function empty(): { kvm: Kvm; head: number; cache: number } {
  const { kvm, slot } = bench;
  const head = slot.rmapWord(slot.baseGfn, 1);
  const cache = vcpuCaches(kvm, 0).desc;
  for (const sptep of pteListEntries(kvm, head)) pteListRemove(kvm, sptep, head);
  kvm.arena.put(head, 0);
  return { kvm, head, cache };
}

const top = (kvm: Kvm, cache: number): unknown => cacheTopup(kvm, cache, kvm.descPool, 40, 40);

function iterate(kvm: Kvm, head: number): number[] {
  const iterator = new RmapIterator();
  const seen: number[] = [];
  for (let sptep = iterator.first(kvm, head, 0); sptep !== 0; sptep = iterator.next(kvm)) seen.push(sptep);
  return seen;
}

describe('a pte list', () => {
  it('is the reference list after every addition and removal: order, counts, descriptors, pool', () => {
    const moves = fc.array(fc.tuple(fc.nat(9), fc.nat(1000)), { minLength: 20, maxLength: 150, size: 'max' });
    let longest = 0;
    holds(
      fc.property(moves, fc.integer({ min: 4, max: 8 }), (all, bias) => {
        const { kvm, head, cache } = empty();
        const free = kvm.descPool.live - cacheCount(kvm, cache);
        const model = new Model();
        let next = 1000;
        for (const [kind, at] of all) {
          const entries = model.entries();
          const adds = kind <= bias || entries.length === 0;
          const sptep = adds ? ++next : entries[at % entries.length]!;
          top(kvm, cache);
          const before = adds ? pteListAdd(kvm, cache, sptep, head) : pteListRemove(kvm, sptep, head);
          expect(before).toBe(adds ? model.add(sptep) : model.remove(sptep));
          expect(pteListEntries(kvm, head)).toEqual(model.entries());
          expect(pteListDescs(kvm, head)).toEqual(model.descs.map((desc) => desc.length));
          expect(kvm.descPool.live - cacheCount(kvm, cache) - free).toBe(model.descs.length);
          expect(iterate(kvm, head)).toEqual(model.entries());
          longest = Math.max(longest, model.descs.length);
        }
      }),
    );
    expect(longest).toBeGreaterThan(4);
  });

  it('is a plain sptep while it has had one entry only, and takes no descriptor for it', () => {
    const { kvm, head, cache } = empty();
    top(kvm, cache);
    expect(pteListAdd(kvm, cache, 77, head)).toBe(0);
    expect([kvm.w[head], pteListDescs(kvm, head), cacheCount(kvm, cache)]).toEqual([77 << 1, [], 40]);
    expect(pteListAdd(kvm, cache, 78, head)).toBe(1);
    expect([kvm.w[head]! & 1, cacheCount(kvm, cache)]).toEqual([1, 39]);
    pteListRemove(kvm, 77, head);
    expect([kvm.w[head]! & 1, pteListDescs(kvm, head), pteListEntries(kvm, head)]).toEqual([1, [1], [78]]);
    pteListRemove(kvm, 78, head);
    expect(kvm.w[head]).toBe(0);
  });

  it('takes its second descriptor for the fifteenth entry, and every further one for fourteen more', () => {
    const { kvm, head, cache } = empty();
    const taken: number[] = [];
    for (let n = 1; n <= 30; n++) {
      top(kvm, cache);
      pteListAdd(kvm, cache, n, head);
      if (cacheCount(kvm, cache) < 40) taken.push(n);
    }
    expect(taken).toEqual([2, 15, 29]);
    expect(pteListDescs(kvm, head)).toEqual([14, 14, 2]);
  });

  it('fills a hole with the last entry of the same descriptor, and the next addition goes to the first with room', () => {
    const { kvm, head, cache } = empty();
    for (let n = 1; n <= 30; n++) {
      top(kvm, cache);
      pteListAdd(kvm, cache, n, head);
    }
    pteListRemove(kvm, 3, head);
    expect(pteListEntries(kvm, head).slice(0, 14)).toEqual([1, 2, 14, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15]);
    expect(pteListAdd(kvm, cache, 99, head)).toBe(13);
    expect(pteListEntries(kvm, head)[13]).toBe(99);
    for (let n = 15; n <= 28; n++) pteListRemove(kvm, n, head);
    expect(pteListDescs(kvm, head)).toEqual([14, 2]);
  });

  it.each([
    ['an empty list', []],
    ['a list of another entry', [5]],
    ['a list of others', [5, 6, 7]],
  ])('answers the removal of what is not there from %s as the kernel does with BUG', (_what, entries) => {
    const { kvm, head, cache } = empty();
    top(kvm, cache);
    for (const sptep of entries) pteListAdd(kvm, cache, sptep, head);
    expect(() => pteListRemove(kvm, 4, head)).toThrow(KernelBug);
    expect(() => pteListRemove(kvm, 4, head)).toThrow(/^pte_list_remove: sptep 4 from head word/);
    expect(pteListEntries(kvm, head)).toEqual(entries);
  });

  it('needs its descriptor in the cache: C11 otherwise', () => {
    const { kvm, head, cache } = empty();
    pteListAdd(kvm, cache, 5, head);
    kvm.arena.put(cache, 0);
    expect(() => pteListAdd(kvm, cache, 6, head)).toThrow(
      'the pte_list_desc cache is empty where it must not be',
    );
  });
});
