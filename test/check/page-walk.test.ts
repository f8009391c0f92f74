import { describe, expect, it } from 'vitest';
import { HEADER_WORDS } from '../../src/arena/layout.ts';
import { Rng } from '../../src/cpu/random.ts';
import type { Kvm } from '../../src/mmu/kvm.ts';
import nestedMigration from '../../scenarios/nested-migration.ts';
import { buildMachine, type Machine } from '../../src/scenario/build.ts';
import {
  brokenIds,
  controlled,
  findings,
  migrated,
  runSchedule,
  shapesMachine,
  type Finding,
} from '../support/q-machine.ts';

/** What the checks report after each write section and at the end of random schedules. */
function overRuns(machine: Machine, seeds: number): { releases: number; found: Finding[] } {
  let releases = 0;
  const found: Finding[] = [];
  const look = (kvm: Kvm): void => {
    releases++;
    found.push(...findings(kvm));
  };
  const runtime = controlled(machine, look);
  for (let seed = 0; seed < seeds; seed++) {
    expect(runSchedule(runtime, seed).violations).toEqual([]);
    look(runtime.kvm);
  }
  return { releases, found };
}

describe('machines that run as they should', () => {
  it.each([
    {},
    { format: 'npt' },
    { nx: true, execFraction: 0.3 },
    { recycleThreshold: 2 },
    { manual: 'initially-set' },
    { l1AdBits: false },
    { splitters: 2 },
    { eager: false },
    { backing: '2m' },
    { mmuPages: 14, ops: 20 },
    { allocFailRate: 0.3 },
  ])('break nothing at any release of mmu_lock: %j', (given) => {
    for (const machine of [shapesMachine(given), buildMachine(nestedMigration, 'explore', given)]) {
      const { releases, found } = overRuns(machine, 10);
      expect(releases).toBeGreaterThan(20);
      expect(found).toEqual([]);
    }
  });
});

describe('broken machines', () => {
  it('are reported without a crash or a loop, whatever word is broken', () => {
    const kvm = migrated();
    kvm.arena.takeBootImage();
    const rng = new Rng(7);
    const { layout } = kvm;
    const slot = kvm.slots[1]!.layout;
    const values = (): number => {
      const kinds = [
        0,
        1,
        -1,
        0x7fffffff,
        -0x80000000,
        rng.below(64),
        rng.below(1 << 16),
        rng.below(0x7fffffff),
      ];
      return kinds[rng.below(kinds.length)]!;
    };
    const regions: [number, number][] = [
      [layout.kvm + 5, 10],
      [layout.headers, HEADER_WORDS * 130],
      [layout.tableOwner, 130],
      [layout.descs, layout.shadowInfo - layout.descs],
      [layout.shadowInfo, 400],
      [layout.tables, 1040],
      [slot.rmap[1], slot.lpageInfo[2] - slot.rmap[1]],
      [layout.hash, 1 << layout.dims.hashBits],
      [layout.vcpuCaches, layout.hash - layout.vcpuCaches],
      [layout.vcpus, layout.pools - layout.vcpus],
    ];
    let reported = 0;
    for (let round = 0; round < 3000; round++) {
      for (let n = 1 + rng.below(3); n > 0; n--) {
        const [from, words] = regions[rng.below(regions.length)]!;
        kvm.arena.put(from + rng.below(words), values());
      }
      if (findings(kvm).length > 0) reported++;
      kvm.arena.reset();
    }
    expect(reported).toBeGreaterThan(500);
    expect(findings(kvm)).toEqual([]);
  });

  it('are left as they are', () => {
    const kvm = migrated();
    kvm.arena.put(kvm.header(1), 77);
    const before = kvm.w.slice();
    brokenIds(kvm);
    expect(kvm.w).toEqual(before);
  });
});
