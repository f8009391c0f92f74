import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arena } from '../../src/arena/arena.ts';
import { computeLayout, DESC_WORDS } from '../../src/arena/layout.ts';
import {
  Pool,
  POOL_DESCS,
  POOL_HEADERS,
  POOL_NAMES,
  POOL_SHADOW_INFO,
  POOL_TABLES,
} from '../../src/arena/pool.ts';
import { FEW_WORDS } from '../support/programs.ts';
import { holds } from '../support/property.ts';

const layout = computeLayout({ ...FEW_WORDS, descs: 5 });
const KINDS = [
  ['a private', Arena.tracked],
  ['a shared', Arena.shared],
] as const;

describe.each(KINDS)('a pool in %s arena', (_kind, create) => {
  it('hands out every object once, from 1 to its capacity, and then 0', () => {
    const pool = new Pool(create(layout), POOL_DESCS);
    expect(Array.from({ length: 7 }, () => pool.alloc())).toEqual([1, 2, 3, 4, 5, 0, 0]);
    expect(pool.live).toBe(5);
    expect(pool.highWater).toBe(5);
  });

  it('hands out a returned object again, zeroed, the last returned first', () => {
    const arena = create(layout);
    const pool = new Pool(arena, POOL_DESCS);
    for (let i = 0; i < 3; i++) pool.alloc();
    const at = (index: number): number => layout.descs + index * DESC_WORDS;
    arena.w.fill(-1, at(1), at(4));
    pool.free(1);
    pool.free(3);
    expect(pool.live).toBe(1);
    expect([pool.alloc(), pool.alloc(), pool.alloc()]).toEqual([3, 1, 4]);
    expect([...arena.w.subarray(at(1), at(2)), ...arena.w.subarray(at(3), at(4))].every((w) => w === 0)).toBe(
      true,
    );
    expect([...arena.w.subarray(at(2), at(3))].every((w) => w === -1)).toBe(true);
    expect(pool.live).toBe(4);
    expect(pool.highWater).toBe(4);
  });
});

describe.each(KINDS)('many objects at once from %s arena', (_kind, create) => {
  it('are those that would have come one by one, in the same order', () => {
    const change = fc.record({
      free: fc.array(fc.nat(4), { maxLength: 4 }),
      take: fc.integer({ min: 0, max: 6 }),
    });
    holds(
      fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
        const [one, many] = [create(layout), create(layout)].map((arena) => ({
          arena,
          pool: new Pool(arena, POOL_DESCS),
        })) as [{ arena: Arena; pool: Pool }, { arena: Arena; pool: Pool }];
        const out: number[] = [];
        const at = layout.memory;
        for (const { free, take } of changes) {
          for (const index of free) {
            const [object] = out.splice(index, 1);
            if (object === undefined) continue;
            one.pool.free(object);
            many.pool.free(object);
          }
          const singly: number[] = [];
          for (let object = 1; singly.length < take && object !== 0;) {
            object = one.pool.alloc();
            if (object !== 0) singly.push(object);
          }
          const got = many.pool.allocInto(at, take);
          expect([...many.arena.w.subarray(at, at + got)]).toEqual(singly);
          many.arena.w.fill(0, at, at + got);
          out.push(...singly);
          expect([many.pool.live, many.pool.highWater]).toEqual([one.pool.live, one.pool.highWater]);
        }
        expect(many.arena.w).toEqual(one.arena.w);
      }),
    );
  });
});

describe('the pools of an arena', () => {
  it('never hand out an object that is out, whatever is allocated and freed', () => {
    holds(
      fc.property(fc.array(fc.nat(9), { maxLength: 60 }), (moves) => {
        const pool = new Pool(Arena.tracked(layout), POOL_DESCS);
        const out: number[] = [];
        for (const move of moves) {
          if (move >= 6 && out.length > 0) pool.free(out.splice(move % out.length, 1)[0]!);
          else {
            const full = out.length === pool.capacity;
            const object = pool.alloc();
            if (object !== 0) out.push(object);
            if ((object === 0) !== full) throw new Error(`got ${object} while ${out.length} are out`);
          }
          expect(new Set(out).size).toBe(out.length);
          expect(pool.live).toBe(out.length);
        }
      }),
    );
  });

  it('are of the sizes of the dimensions and independent of each other', () => {
    const arena = Arena.tracked(layout);
    const pools = [POOL_HEADERS, POOL_TABLES, POOL_DESCS, POOL_SHADOW_INFO].map(
      (kind) => new Pool(arena, kind),
    );
    expect(pools.map((pool) => pool.capacity)).toEqual([2, 2, 5, 1]);
    expect(pools.map((pool) => pool.name)).toEqual([...POOL_NAMES]);
    while (pools[0]!.alloc() !== 0);
    expect(pools.map((pool) => pool.live)).toEqual([2, 0, 0, 0]);
    expect(pools[1]!.alloc()).toBe(1);
  });

  it('keep their state in the arena, so that two views see one pool', () => {
    const shared = Arena.shared(layout);
    const other = Arena.attach(layout, shared.buffer as SharedArrayBuffer);
    const [here, there] = [new Pool(shared, POOL_DESCS), new Pool(other, POOL_DESCS)];
    expect([here.alloc(), there.alloc(), here.alloc()]).toEqual([1, 2, 3]);
    there.free(1);
    expect(here.alloc()).toBe(1);
    expect(there.live).toBe(3);
  });
});
