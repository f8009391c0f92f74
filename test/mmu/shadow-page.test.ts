import { describe, expect, it } from 'vitest';
import { KVM } from '../../src/mmu/kvm.ts';
import { makeRole, ROLE_INVALID, roleDirect, roleLevel } from '../../src/mmu/role.ts';
import {
  findShadowPage,
  freeShadowPage,
  hashBucket,
  initShadowPage,
  pageGetAccess,
  pageGetGfn,
  pageSetTranslation,
  SP,
  spGfn,
  spPut,
  spRole,
  spteIndex,
  sptepOf,
  sptepToSp,
  spTable,
  unhash,
  unlinkActive,
} from '../../src/mmu/shadow-page.ts';
import { HELD_MMU_WRITE } from '../../src/cpu/cpu.ts';
import { activePages, Bench, identity, machineOf } from '../support/machines.ts';

const direct = (level: number, access = 7): number =>
  makeRole({ level, direct: true, access, guest_mode: true });

function bench(): Bench {
  const made = new Bench(machineOf(identity(2, [])));
  made.cpu.held = HELD_MMU_WRITE;
  return made;
}

function add({ kvm, cpu }: Bench, gfn: number, role: number): number {
  const sp = kvm.headerPool.alloc();
  initShadowPage(kvm, cpu, sp, kvm.tablePool.alloc(), 0, gfn, role);
  return sp;
}

/** Two gfns of one bucket. */
function collision({ kvm }: Bench): [number, number] {
  const seen = new Map<number, number>();
  for (let gfn = 0; ; gfn++) {
    const bucket = hashBucket(kvm, gfn);
    const other = seen.get(bucket);
    if (other !== undefined) return [other, gfn];
    seen.set(bucket, gfn);
  }
}

describe('the hash of shadow pages', () => {
  it('finds a page by gfn and role, and nothing else in its bucket', () => {
    const made = bench();
    const { kvm } = made;
    const [a, b] = collision(made);
    const [first, second, third] = [
      add(made, a, direct(1)),
      add(made, b, direct(1)),
      add(made, a, direct(1, 5)),
    ];
    expect([
      findShadowPage(kvm, a, direct(1)),
      findShadowPage(kvm, b, direct(1)),
      findShadowPage(kvm, a, direct(1, 5)),
    ]).toEqual([first, second, third]);
    expect([findShadowPage(kvm, a, direct(2)), findShadowPage(kvm, b, direct(1, 5))]).toEqual([0, 0]);
  });

  it('shows the others of the same gfn on the way, but not the neighbours in the bucket', () => {
    const made = bench();
    const [a, b] = collision(made);
    const other = add(made, a, direct(1, 5));
    add(made, b, direct(1));
    const seen: number[] = [];
    expect(findShadowPage(made.kvm, a, direct(1), (sp) => seen.push(sp))).toBe(0);
    expect(seen).toEqual([other]);
  });

  it('does not find pages that are invalid or of another generation', () => {
    const made = bench();
    const { kvm } = made;
    const sp = add(made, 3, direct(1));
    spPut(kvm, sp, SP.role, direct(1) | ROLE_INVALID);
    expect([findShadowPage(kvm, 3, direct(1)), findShadowPage(kvm, 3, direct(1) | ROLE_INVALID)]).toEqual([
      0, 0,
    ]);
    spPut(kvm, sp, SP.role, direct(1));
    expect(findShadowPage(kvm, 3, direct(1))).toBe(sp);
    kvm.put(KVM.validGen, 1);
    expect(findShadowPage(kvm, 3, direct(1))).toBe(0);
  });

  it('loses a page from the front, the middle and the end of a bucket without losing the rest', () => {
    for (const victim of [0, 1, 2]) {
      const made = bench();
      const [a, b] = collision(made);
      const gfns = [a, b, a];
      const roles = [direct(1), direct(1), direct(2)];
      const pages = gfns.map((gfn, i) => add(made, gfn, roles[i]!));
      unhash(made.kvm, pages[victim]!);
      expect(gfns.map((gfn, i) => findShadowPage(made.kvm, gfn, roles[i]!))).toEqual(
        pages.map((sp, i) => (i === victim ? 0 : sp)),
      );
      expect(() => unhash(made.kvm, pages[victim]!)).toThrow('is not in its hash bucket');
    }
  });
});

describe('the life of a shadow page', () => {
  it('begins at the head of the active list, counted, with its table pointing back', () => {
    const made = bench();
    const { kvm } = made;
    const before = activePages(kvm);
    const used = kvm.get(KVM.nUsed);
    const [one, two] = [add(made, 1, direct(1)), add(made, 2, direct(1))];
    expect(activePages(kvm)).toEqual([two, one, ...before]);
    expect(kvm.get(KVM.nUsed)).toBe(used + 2);
    for (let index = 0; index < kvm.entries; index++) {
      expect([sptepToSp(kvm, sptepOf(kvm, one, index)), spteIndex(kvm, sptepOf(kvm, one, index))]).toEqual([
        one,
        index,
      ]);
    }
    unlinkActive(kvm, one);
    expect(activePages(kvm)).toEqual([two, ...before]);
    unlinkActive(kvm, two);
    expect(activePages(kvm)).toEqual(before);
  });

  it('ends with header and table back in their pools and nothing in the hash', () => {
    const made = bench();
    const { kvm } = made;
    const live = [kvm.headerPool.live, kvm.tablePool.live];
    const sp = add(made, 1, direct(1));
    const sptep = sptepOf(kvm, sp, 0);
    const table = spTable(kvm, sp);
    unlinkActive(kvm, sp);
    freeShadowPage(kvm, sp);
    expect([kvm.headerPool.live, kvm.tablePool.live]).toEqual(live);
    expect([sptepToSp(kvm, sptep), findShadowPage(kvm, 1, direct(1))]).toEqual([0, 0]);
    expect([kvm.headerPool.alloc(), kvm.tablePool.alloc()]).toEqual([sp, table]);
  });

  it('needs mmu_lock for write (D1)', () => {
    const made = bench();
    made.cpu.held = 0;
    add(made, 1, direct(1));
    expect(made.seen.broke).toMatchObject([
      { id: 'D1', text: 'tester changed the hash of shadow pages without mmu_lock held for write' },
    ]);
  });
});

describe('what an entry maps', () => {
  it('follows from gfn and level for a direct page, whatever is said about it', () => {
    const made = bench();
    const { kvm } = made;
    const sp = add(made, 64, direct(2, 5));
    pageSetTranslation(kvm, sp, 3, 999, 7);
    expect([0, 1, 3].map((index) => pageGetGfn(kvm, sp, index))).toEqual([64, 68, 76]);
    expect(pageGetAccess(kvm, sp, 3)).toBe(5);
  });

  it('is remembered by an indirect page, gfn and access', () => {
    const { kvm } = new Bench(machineOf(identity(2), { backing: '2m' }));
    const sp = activePages(kvm).find(
      (page) => !roleDirect(spRole(kvm, page)) && roleLevel(spRole(kvm, page)) === 2,
    )!;
    expect(spGfn(kvm, sp)).toBeLessThan(16);
    pageSetTranslation(kvm, sp, 1, 0xfff_ffff, 6);
    expect([pageGetGfn(kvm, sp, 1), pageGetAccess(kvm, sp, 1)]).toEqual([0xfff_ffff, 6]);
    expect(pageGetGfn(kvm, sp, 0)).toBe(kvm.slots[1]!.baseGfn);
  });
});
