import { describe, expect, it } from 'vitest';
import { DESC_WORDS } from '../../src/arena/layout.ts';
import { objectCheck } from '../../src/check/objects.ts';
import { KVM, type Kvm } from '../../src/mmu/kvm.ts';
import { splitCaches, vcpuCaches } from '../../src/mmu/memory-cache.ts';
import { ROLE_INVALID } from '../../src/mmu/role.ts';
import { SP, spRole, spTable, unlinkActive } from '../../src/mmu/shadow-page.ts';
import { booted, findEntry, findings, headerWord, livePages, migrated } from '../support/q-machine.ts';

const ids = (kvm: Kvm): string[] => findings(kvm, [objectCheck]).map((finding) => finding.id);
const texts = (kvm: Kvm): string =>
  findings(kvm, [objectCheck])
    .map((finding) => finding.text)
    .join('\n');

describe('objects', () => {
  it('reports nothing about a booted machine and one after a migration', () => {
    expect(ids(booted())).toEqual([]);
    expect(ids(migrated())).toEqual([]);
    expect(ids(migrated({ splitters: 2 }))).toEqual([]);
  });

  it.each([1, 2, 3])('Q36 is broken by a leaf of level %i that is not counted', (level) => {
    const kvm = booted();
    kvm.put(KVM.pages + level - 1, kvm.get(KVM.pages + level - 1) - 1);
    const found = findings(kvm, [objectCheck]);
    expect(found.map((finding) => finding.id)).toEqual(['Q36']);
    expect(found[0]!.text).toMatch(/^pages_\w\w is \d+, and \d+ leaves of level \d are present$/);
  });

  it('Q53 is broken by an object that leaves a cache and goes nowhere', () => {
    const kvm = migrated();
    const { desc, header, table, shadowInfo } = vcpuCaches(kvm, 0);
    const split = splitCaches(kvm, 0);
    for (const [cache, name] of [
      [desc, 'rmap descriptors'],
      [header, 'shadow-page headers'],
      [table, 'page tables'],
      [shadowInfo, 'shadowed translations'],
      [split.desc, 'rmap descriptors'],
      [split.header, 'shadow-page headers'],
      [split.table, 'page tables'],
    ] as const) {
      const count = kvm.w[cache]!;
      expect(count).toBeGreaterThan(0);
      kvm.arena.put(cache, count - 1);
      expect(ids(kvm)).toEqual(['Q53']);
      expect(texts(kvm)).toMatch(
        new RegExp(`^\\d+ ${name} are handed out: \\d+ can be reached and \\d+ are in caches$`),
      );
      kvm.arena.put(cache, count);
    }
  });

  it('Q53 is broken by a page that is on no list', () => {
    const kvm = booted();
    unlinkActive(kvm, livePages(kvm)[0]!);
    expect(texts(kvm)).toContain('page tables are handed out');
  });

  it('Q53 is broken by a cached table or header that is in use, and by one that does not exist', () => {
    const { header, table } = vcpuCaches(booted(), 0);
    const cases: [number, (kvm: Kvm) => number][] = [
      [header, (kvm) => livePages(kvm)[0]!],
      [table, (kvm) => spTable(kvm, livePages(kvm)[0]!)],
      [table, () => 0],
      [header, () => 1 << 20],
    ];
    for (const [cache, object] of cases) {
      const kvm = booted();
      kvm.arena.put(cache + 1, object(kvm));
      expect(ids(kvm)).toEqual(['Q53']);
    }
  });

  it('Q53 is broken by a cache that holds more than fits', () => {
    const kvm = booted();
    kvm.arena.put(vcpuCaches(kvm, 0).desc, 1 << 20);
    expect(texts(kvm)).toContain('at most 40 fit');
  });

  it('Q53 is broken by a descriptor in two lists, or in none', () => {
    const slotHead = (kvm: Kvm): number => {
      const slot = kvm.slots[1]!;
      for (let head = slot.rmapWord(slot.baseGfn, 1); ; head++) if ((kvm.w[head]! & 1) !== 0) return head;
    };
    const two = migrated();
    two.arena.put(two.slots[0]!.rmapWord(0, 1), two.w[slotHead(two)]!);
    expect(texts(two)).toContain('is reached twice');
    const none = migrated();
    none.arena.put(
      slotHead(none),
      none.w[none.layout.descs + (none.w[slotHead(none)]! >>> 1) * DESC_WORDS + 2]! << 1,
    );
    expect(texts(none)).toContain('rmap descriptors are handed out');
  });

  it('Q53 counts an invalid root once, however many vCPUs use it', () => {
    const kvm = booted();
    const { sp: withLeaf } = findEntry(kvm, { level: 3, leaf: true });
    const root = livePages(kvm).find((sp) => sp !== withLeaf && kvm.w[kvm.header(sp) + SP.rootCount]! > 1)!;
    // As after a zap: no leaves, off the list, kept by its roots.
    unlinkActive(kvm, root);
    kvm.arena.put(headerWord(kvm, root, 'role'), spRole(kvm, root) | ROLE_INVALID);
    expect(ids(kvm)).toEqual([]);
  });
});
