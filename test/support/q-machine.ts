/** Machines for the tests of the Q family, and places in them that a test can corrupt. */
import { Arena } from '../../src/arena/arena.ts';
import { accountCheck } from '../../src/check/accounts.ts';
import { goneSlotCheck } from '../../src/check/gone-slots.ts';
import { linkCheck } from '../../src/check/links.ts';
import { leafCheck } from '../../src/check/leaves.ts';
import { logOffCheck } from '../../src/check/log-off.ts';
import { objectCheck } from '../../src/check/objects.ts';
import { protectedCheck } from '../../src/check/protected.ts';
import { rmapCheck } from '../../src/check/rmaps.ts';
import { pageBudgetCheck, shadowPageCheck } from '../../src/check/shadow-pages.ts';
import { unsyncCheck } from '../../src/check/unsync.ts';
import { frozenCheck, tdpCheck } from '../../src/check/tdp.ts';
import { zappedCheck } from '../../src/check/zapped.ts';
import { syncedCheck } from '../../src/check/synced.ts';
import type { StateCheck } from '../../src/check/types.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { isLarge, isShadowPresent } from '../../src/mmu/format.ts';
import { KVM, type Kvm } from '../../src/mmu/kvm.ts';
import { Observer } from '../../src/mmu/observer.ts';
import { roleDirect, roleLevel } from '../../src/mmu/role.ts';
import { SP, spRole, sptepOf } from '../../src/mmu/shadow-page.ts';
import { ControlledRuntime, type ControlledResult } from '../../src/runtime/controlled.ts';
import { buildMachine, layoutThatFits, type Machine } from '../../src/scenario/build.ts';
import { defineScenario, type MachineSpec } from '../../src/scenario/define.ts';
import { bootMachine } from '../../src/scenario/start.ts';

/** All checks of the Q family that src/check/{shadow-pages,links,rmaps,leaves,objects}.ts export. */
export const Q_CHECKS: readonly StateCheck[] = [
  shadowPageCheck,
  pageBudgetCheck,
  linkCheck,
  rmapCheck,
  leafCheck,
  objectCheck,
  protectedCheck,
  accountCheck,
  zappedCheck,
  logOffCheck,
  unsyncCheck,
  goneSlotCheck,
  syncedCheck,
  tdpCheck,
  frozenCheck,
];

export interface Finding {
  readonly id: string;
  readonly text: string;
  readonly words: readonly number[];
}

/** What the checks report about the machine as it is. */
export function findings(kvm: Kvm, checks: readonly StateCheck[] = Q_CHECKS): Finding[] {
  const found: Finding[] = [];
  for (const check of checks) {
    check.run(kvm, (id, text, words = []) => {
      if (!check.ids.includes(id)) throw new Error(`a check reports ${id}, which is not among its ids`);
      found.push({ id, text, words });
    });
  }
  return found;
}

/** The ids that are reported, each once. */
export const brokenIds = (kvm: Kvm): string[] => [...new Set(findings(kvm).map((finding) => finding.id))];

/**
 * One 1G page, two 2M pages, one of them clean in L1's table, and a table of 4K pages, all mapped one to one; a second
 * root has three entries for the first 2M page, and a read-only one for the other.
 */
const shapes = defineScenario({
  name: 'q-shapes',
  summary: 'every kind of link and leaf',
  about: '',
  facts: [],
  explore: { memory: '128K' },
  machine: (_p, { huge2, huge3, base }): MachineSpec => ({
    roots: [
      {
        name: 'L2',
        mappings: [
          { l2Gfn: base, l1Gfn: base, level: 3, count: 1 },
          { l2Gfn: base + huge3, l1Gfn: base + huge3, level: 2, count: 1 },
          { l2Gfn: base + huge3 + huge2, l1Gfn: base + huge3 + huge2, level: 2, count: 1, dirty: false },
          { l2Gfn: base + huge3 + 2 * huge2, l1Gfn: base + huge3 + 2 * huge2, level: 1, count: huge2 },
        ],
      },
      {
        name: 'alias',
        smep: true,
        mappings: [
          { l2Gfn: base, l1Gfn: base + huge3, level: 2, count: 3, l1Step: 0 },
          { l2Gfn: base + 3 * huge2, l1Gfn: base + huge3 + huge2, level: 2, count: 1, perm: 'rx' },
        ],
      },
    ],
    populate: [
      { access: 'write', l2Gfn: base },
      { access: 'write', l2Gfn: base + huge3 },
      { access: 'read', l2Gfn: base + huge3 + huge2 },
      { access: 'write', l2Gfn: base + huge3 + 2 * huge2, count: huge2 },
      { root: 1, access: 'write', l2Gfn: base, count: 3, stride: huge2 },
      { root: 1, access: 'read', l2Gfn: base + 3 * huge2 },
    ],
  }),
});

export const shapesMachine = (given: Readonly<Record<string, unknown>> = {}): Machine =>
  buildMachine(shapes, 'explore', given);

/** The booted and populated machine of `shapes`: huge leaves, nothing split. */
export function booted(given: Readonly<Record<string, unknown>> = {}): Kvm {
  const machine = shapesMachine(given);
  return bootMachine(machine, Arena.tracked(layoutThatFits(machine, 2 ** 30)), P1_ENGINE);
}

/** A runtime without checks whose observer may be replaced. */
export function controlled(
  machine: Machine,
  onRelease?: (kvm: Kvm) => void,
  engine: Engine = P1_ENGINE,
): ControlledRuntime {
  return new ControlledRuntime({
    machine,
    layout: layoutThatFits(machine, 2 ** 30),
    engine,
    judge: {
      observer: (kvm, report) => {
        const observer = new Observer();
        observer.broken = report;
        if (onRelease !== undefined) observer.writeReleased = () => onRelease(kvm);
        return observer;
      },
      begin: () => undefined,
      atEnd: () => undefined,
    },
  });
}

/** Runs one random schedule to its end. */
export const runSchedule = (runtime: ControlledRuntime, seed: number): ControlledResult =>
  runtime.run(new RandomWalk(seed), seed, 0);

/** The machine of `shapes` after a migration: split, with direct pages. */
export function migrated(given: Readonly<Record<string, unknown>> = {}): Kvm {
  const runtime = controlled(shapesMachine(given));
  const result = runSchedule(runtime, 1);
  if (result.violations.length > 0) throw new Error(result.violations[0]!.text);
  return runtime.kvm;
}

/** An entry and the page that holds it. */
export interface Place {
  readonly sp: number;
  readonly index: number;
  readonly sptep: number;
  /** The word of its low half. */
  readonly word: number;
}

export interface PlaceWanted {
  readonly level: number;
  readonly leaf: boolean;
  readonly direct?: boolean;
  /** Further conditions. */
  readonly where?: (place: Place) => boolean;
}

/** Pages of the active list, in its order. */
export function livePages(kvm: Kvm): number[] {
  const pages: number[] = [];
  for (let sp = kvm.get(KVM.activeHead); sp !== 0; sp = kvm.w[kvm.header(sp) + SP.linkNext]!) pages.push(sp);
  return pages;
}

/** The first present entry of this kind. */
export function findEntry(kvm: Kvm, wanted: PlaceWanted): Place {
  for (const sp of livePages(kvm)) {
    const role = spRole(kvm, sp);
    if (roleLevel(role) !== wanted.level) continue;
    if (wanted.direct !== undefined && roleDirect(role) !== wanted.direct) continue;
    for (let index = 0; index < kvm.entries; index++) {
      const sptep = sptepOf(kvm, sp, index);
      const lo = kvm.w[sptep * 2]!;
      if (!isShadowPresent(lo) || (wanted.level === 1 || isLarge(lo)) !== wanted.leaf) continue;
      const place = { sp, index, sptep, word: sptep * 2 };
      if (wanted.where?.(place) ?? true) return place;
    }
  }
  throw new Error(`no ${wanted.leaf ? 'leaf' : 'table entry'} of level ${wanted.level} in this machine`);
}

/** The word of a page's header field. */
export const headerWord = (kvm: Kvm, sp: number, field: keyof typeof SP): number =>
  kvm.header(sp) + SP[field];
