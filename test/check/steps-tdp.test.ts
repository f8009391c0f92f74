// D23 and Q33 of a split by the TDP MMU: exactly one huge page goes, and its table is nobody's NX split.
import { describe, expect, it } from 'vitest';
import { tdpSplits } from '../../src/check/steps-tdp.ts';
import { EBUSY } from '../../src/mmu/errno.ts';
import { isLarge, isShadowPresent, sptePfn } from '../../src/mmu/format.ts';
import type { Kvm } from '../../src/mmu/kvm.ts';
import { SP, SP_NX_DISALLOWED } from '../../src/mmu/shadow-page.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import bothMmus from '../../scenarios/both-mmus.ts';
import { tdpWalk } from '../../src/check/tdp-walk.ts';
import { violationsOf, runtimeOf } from './judged-run.ts';

/** The last table of level 1 in a machine whose pages have been split, and the entry that points to it. */
function splitTable(kvm: Kvm): { sptep: number; sp: number } {
  const walk = tdpWalk(kvm)!;
  const p = walk.count - 1;
  return { sptep: walk.parents[p]!, sp: walk.pages[p]! };
}

function scene() {
  const runtime = runtimeOf(bothMmus, { stateChecks: [], stepChecks: [] });
  runtime.run(new RandomWalk(5), 5, 0);
  const { kvm, cpus } = runtime;
  const found: string[] = [];
  const check = tdpSplits.make(kvm, (_cpu, id) => found.push(id));
  check.begin(kvm);
  const { sptep, sp } = splitTable(kvm);
  const lo = kvm.w[sptep * 2]!;
  const hi = kvm.w[sptep * 2 + 1]!;
  expect(isShadowPresent(lo) && !isLarge(lo)).toBe(true);
  // The huge page as it must have been, from the first of its children.
  const first = (kvm.tablesQ + ((sptePfn(lo, hi) - kvm.tablePfnBase) << kvm.tableBits)) * 2;
  const split = (): void =>
    check.tdpChanged(cpus[0]!, sptep, kvm.w[first]! | 0x80, kvm.w[first + 1]!, lo, hi);
  const attempt = (errno: number): void => check.tdpSplitAttempt(cpus[0]!, 0, 2, 0, 0, errno);
  const pass = (begin: boolean): void => check.tdpSplitPass(cpus[0]!, 0, 4, true, begin);
  const taken = (): string[] => [...new Set(found.splice(0))];
  return { kvm, sp, split, attempt, taken, pass };
}

describe('an attempt of the TDP MMU', () => {
  it('takes one huge page away if it succeeds, and none if it fails (D23)', () => {
    const { split, attempt, taken } = scene();
    split();
    taken(); // vCPUs have used the table since: what it holds is not the point here
    attempt(0);
    expect(taken()).toEqual([]);
    attempt(EBUSY);
    expect(taken()).toEqual([]);
    attempt(0);
    expect(taken()).toEqual(['D23']);
    split();
    split();
    taken();
    attempt(0);
    expect(taken()).toEqual(['D23']);
    split();
    taken();
    attempt(EBUSY);
    expect(taken()).toEqual(['D23']);
  });

  it('makes no table that the NX mitigation would have to give back (Q33)', () => {
    const { kvm, sp, split, attempt, taken, pass } = scene();
    kvm.w[kvm.header(sp) + SP.flags]! |= SP_NX_DISALLOWED;
    pass(true);
    split();
    taken();
    attempt(0);
    expect(taken()).toEqual(['Q33']);
    // A fault that splits, as since 6.2, marks its table with good reason.
    pass(false);
    split();
    taken();
    attempt(0);
    expect(taken()).toEqual([]);
  });

  it('does both in every schedule of the clean engine', () => {
    expect(violationsOf(bothMmus, { stateChecks: [], stepChecks: [tdpSplits], schedules: 20 })).toEqual([]);
  });
});
