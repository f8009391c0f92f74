import { describe, expect, it } from 'vitest';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { EAGAIN, ENOSPC } from '../../src/mmu/errno.ts';
import type { Kvm } from '../../src/mmu/kvm.ts';
import { makeRole, roleAccess } from '../../src/mmu/role.ts';
import { composeEngine, defineVariant } from '../../src/variants/define.ts';
import { engineOf, findVariant, VARIANTS } from '../../src/variants/index.ts';
import { shippedScenarios } from '../../src/scenario/load.ts';

const DEFERRED: readonly (keyof Engine)[] = [
  'profile',
  'settleDebt',
  'splitLinked',
  'splitNeedsFlush',
  'walkYieldPages',
];

/** Steps of each shipped variant that differ from P1. A variant that is not in here fails the first test. */
const STEPS: Readonly<Record<string, readonly (keyof Engine)[]>> = {
  p0: [
    'directChildFlushPages',
    'flushAfterEnable',
    'profile',
    'recycleFlushGfn',
    'splitFlushGfn',
    'splitNeedsFlush',
  ],
  p1: [],
  p2: ['profile', 'splitFlushPages', 'splitNeedsFlush'],
  p3: DEFERRED,
  p4: ['profile', 'splitNeedsFlush'],
  'ancestor-2016': [
    'afterAttempt',
    'fillSplitChild',
    'getSpForSplit',
    'profile',
    'settleDebt',
    'splitLinked',
    'splitNeedsFlush',
  ],
  'desc-6.4': ['descAdd', 'descLayout', 'descRemove'],
  'clear-6.8': ['clearSplitEnd', 'clearSplitsLastPage'],
  'tdp-alloc-6.11': ['tdpAllocDropsLock', 'tdpAllocSpForSplit'],
  'flush-elision-6.13': ['spteUpdateNeedsFlush'],
  'recover-in-place-6.13': ['tdpCollapseRange'],
  'lockless-aging-6.15': [
    'ageGfnRange',
    'frozenSpteLo',
    'locksRmaps',
    'markForAccessTracking',
    'tdpWriteSpte',
  ],
  'nx-6.2': ['nxMarksDecide', 'nxRecoverySkips', 'tableForbidsHuge', 'tdpTableForbidsHuge'],
  'tdp-shrink-6.2': ['tdpShrinkHuge'],
  'tdp-zap-6.10': ['tdpProcessesZappedAfterFlush'],
  'slot-zap-6.12': ['flushShadowMemslot'],
  'aging-thaws': ['ageGfnRange', 'locksRmaps', 'markForAccessTracking', 'tdpWriteSpte'],
  'no-guest-mode-check': ['splitSkipsNonNested', 'splitsWithoutTdp'],
  'needbreak-dynamic-bug': ['needbreakInAllModels'],
  'yield-flushes-all': ['walkYieldPages'],
  'one-split-per-hold': ['needTopupSplitCachesOrResched'],
  'recycle-makes-flush': ['splitNeedsFlush'],
  'host-pages-read-only-at-first': ['mapWritable'],
  'reuse-makes-flush': ['splitNeedsFlush'],
  'clear-keeps-mmu-writable': ['spteWriteProtect'],
  'zap-range-downward': ['zapRangeLevels'],
  'fault-flushes-all': ['faultFlushPages'],
  'nested-pml': ['pageAdNeedWriteProtect', 'pmlAddress', 'pmlLogs'],
  'born-clean': ['leafIsBornDirty'],
  'p3-without-f1': DEFERRED,
  'p3-without-f2': DEFERRED,
  'p3-without-f3': DEFERRED,
  'p3-without-f4': DEFERRED,
  'p3-without-f5': DEFERRED,
  'p3-without-f6': DEFERRED,
  'p3-without-f7': DEFERRED,
  'p3-without-f9': DEFERRED,
  'p3-recycle-discharges': DEFERRED,
  'never-flush-on-reuse': ['splitNeedsFlush'],
  'no-restart-after-eagain': ['afterAttempt'],
  'child-role-ignores-access': ['splitChildRole'],
  'skip-wrprot-if-not-writable': ['needsWriteProtect'],
  'link-before-fill': ['fillReusedChild', 'fillSplitChild', 'splitLinked'],
  'busted-lock': ['writeLock', 'writeUnlock'],
  'b-01-clear-off-by-one': ['clearSplitEnd', 'clearSplitsLastPage'],
  'b-03-conditional-enable-flush': ['flushAfterEnable'],
  'b-04-tdp-write-protect-skips': ['tdpNeedsWriteProtect'],
  'b-05-changed-pte-stays-mmu-writable': ['changedPteSpte'],
  'b-07-write-protect-forgets-stale-tlbs': ['spteWriteProtect'],
  'b-08-emulated-write-not-marked': ['emulatedWriteIsMarked'],
  'b-12-direct-child-of-other-access-kept': ['childIsReusable', 'validateDirectSpte'],
  'b-13-direct-child-without-the-last-entry': ['directChildAccess'],
  'b-14-range-flush-of-the-wrong-gfn': ['profile', 'recycleFlushGfn', 'splitFlushGfn', 'splitNeedsFlush'],
  'b-17-direct-child-flush-of-one-page': ['directChildFlushPages'],
  'b-18-flush-on-every-split': ['splitNeedsFlush'],
  'b-19-tdp-flush-of-the-wrong-level': ['tdpFlushPages'],
  'b-20-fast-fault-on-huge-page': ['fastPfMayMakeWritable'],
  'b-21-flush-lost-on-yield': ['tdpFlushBeforeYield'],
  'b-22-nx-recovery-yields-without-flush': ['nxRecoveryBeforeYield'],
  'b-23-flush-for-nothing-at-log-off': ['collapsibleFlushes'],
  'b-24-tdp-plain-write': ['tdpWriteSpte'],
  'b-25-write-protect-flush-lost': ['accountShadowed'],
  'b-29-iterator-advances-after-yield': ['tdpIterAfterYield'],
  'b-30-invalid-roots-not-unmapped': ['tdpUnmapsInvalidRoots'],
  'b-31-link-before-sync': ['syncBeforeLink', 'syncFoundPage'],
  'b-33-non-present-leaf-counted': ['tdpCountsAsLeaf'],
  'b-34-child-access-of-the-whole-walk': ['childIsReusable', 'indirectChildAccess'],
  'b-35-sync-keeps-empty-permissions': ['syncDropsSpte'],
  'b-36-write-protect-only-without-pml': ['pageAdNeedWriteProtect'],
  'b-38-fault-into-obsolete-root': ['isObsoleteRoot'],
  'b-39-invalidate-seq-truncated': ['snapshotSeq'],
  'b-40-zap-range-blocks-part': ['zapGfnRangeBlocks'],
  'b-41-leaf-at-the-wrong-level': ['tdpGoalReached'],
  'b-42-nx-mark-after-link': [
    'nxMarksDecide',
    'nxRecoverySkips',
    'tableForbidsHuge',
    'tdpLinkNxSp',
    'tdpTableForbidsHuge',
  ],
  'b-43-any-table-forbids-huge': [
    'nxMarksDecide',
    'nxRecoverySkips',
    'tableForbidsHuge',
    'tdpTableForbidsHuge',
  ],
  'b-44-stale-check-before-reclaim': ['reclaimsBeforeStaleCheck', 'zapsOrphan'],
  'b-45-mmio-over-present': ['mmioOverPresent'],
  'b-47-child-inherits-invalid': ['childRole', 'reclaimsBeforeStaleCheck', 'zapsOrphan'],
  'b-48-zaps-roots-as-orphans': ['zapsOrphan'],
  'b-49-collapsible-below-the-slot': ['collapsibleLevel'],
  'b-50-child-reuse-ignores-gfn': ['childIsReusable'],
  'b-51-child-reuse-ignores-role': ['childIsReusable'],
  'b-54-nx-recovery-forgets-its-pages': ['nxRecoveryAtEnd'],
  'b-56-needbreak-in-all-models': ['needbreakInAllModels'],
  'b-57-allocates-under-the-lock': ['tdpAllocDropsLock'],
  'b-58-walk-goes-on-without-bits': ['tdpMaskBitGoesFirst'],
  'b-59-recovers-logged-pages': [
    'nxMarksDecide',
    'nxRecoverySkips',
    'tableForbidsHuge',
    'tdpTableForbidsHuge',
  ],
  'b-61-logged-faults-map-huge': ['loggedFaultsMapSmall'],
  'exec-huge': ['nxForbidsExec'],
  'flush-before-drop': ['splitFlushesBeforeDrop'],
  'nested-uses-dirty-bits': ['pageAdNeedWriteProtect'],
  'no-restart-after-success': ['afterAttempt'],
  'no-skip-invalid-sp': ['childRole', 'reclaimsBeforeStaleCheck', 'splitSkipsInvalid', 'zapsOrphan'],
  'nx-kept-on-4k': ['makeHugePageSplitSpte'],
  'one-descriptor-short': ['needTopupSplitCachesOrResched'],
  'ps-kept-at-4k': ['makeHugePageSplitSpte'],
  'recycle-threshold-3': ['recycleThreshold'],
  'topup-without-slots-lock': ['topupUnlocked'],
};

const engine = (name: string): Engine => engineOf([findVariant(name)!]);

describe('the shipped variants', () => {
  it('are these', () => {
    expect(VARIANTS.map(({ name }) => name).sort()).toEqual(Object.keys(STEPS).sort());
  });

  it.each(VARIANTS.map((variant) => [variant.name, variant] as const))(
    '%s changes its steps and no others',
    (name, variant) => {
      const made = engine(name);
      const keys = Object.keys(P1_ENGINE) as (keyof Engine)[];
      expect(Object.keys(made).sort()).toEqual(keys.sort());
      const changed = keys.filter(
        (key) => key !== 'name' && key !== 'summary' && made[key] !== P1_ENGINE[key],
      );
      expect(changed.sort()).toEqual(STEPS[name]);
      expect([made.name, made.summary]).toEqual([name, variant.summary]);
    },
  );

  it('say what they are for: bugs name the checks that catch them, profiles and ideas none', () => {
    for (const { name, kind, caughtBy, facts } of VARIANTS) {
      expect([name, caughtBy.length > 0]).toEqual([name, kind === 'bug']);
      expect(facts.length).toBeGreaterThan(0);
    }
    const scenarios = VARIANTS.flatMap(({ scenario, bug }) => [
      ...(scenario === undefined ? [] : [scenario]),
      ...(bug?.alsoFrom.map((ground) => ground.scenario) ?? []),
    ]);
    expect(shippedScenarios()).toEqual(expect.arrayContaining(scenarios));
    expect(scenarios.length).toBeGreaterThan(2);
  });

  it('leave the default engine alone', () => {
    const before = { ...P1_ENGINE };
    for (const variant of VARIANTS) engineOf([variant]);
    expect(P1_ENGINE).toEqual(before);
  });
});

describe('composing variants', () => {
  it('applies them from left to right, each to the engine made so far', () => {
    const add = (name: string, n: number): ReturnType<typeof defineVariant> =>
      defineVariant({
        name,
        summary: name,
        kind: 'idea',
        facts: [],
        caughtBy: [],
        apply: (base) => ({ clearSplitEnd: (last) => base.clearSplitEnd(last) * 10 + n }),
      });
    const made = composeEngine(P1_ENGINE, [add('one', 1), add('two', 2)]);
    expect([made.clearSplitEnd(7), made.name, made.summary]).toEqual([712, 'one+two', 'two']);
    expect(composeEngine(P1_ENGINE, [])).toBe(P1_ENGINE);
  });

  it('knows what is not a variant', () => {
    expect(findVariant('p9')).toBeUndefined();
  });
});

describe('steps that are plain functions', () => {
  it('no-restart-after-eagain goes on after EAGAIN and does otherwise as P1', () => {
    const { afterAttempt } = engine('no-restart-after-eagain');
    expect([0, EAGAIN, ENOSPC].map(afterAttempt)).toEqual(['restart', 'next', 'leave']);
    expect([0, EAGAIN, ENOSPC].map(P1_ENGINE.afterAttempt)).toEqual(['restart', 'restart', 'leave']);
  });

  it("child-role-ignores-access takes the parent's access", () => {
    const parent = makeRole({ level: 2, direct: false, access: 7, guest_mode: true });
    const access = (made: Engine): number =>
      roleAccess(made.splitChildRole({ engine: made } as unknown as Kvm, parent, 4));
    expect([access(engine('child-role-ignores-access')), access(P1_ENGINE)]).toEqual([7, 4]);
  });
});
