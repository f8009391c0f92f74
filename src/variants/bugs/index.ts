/** The bugs, by file name. */
import type { Variant } from '../define.ts';
import agingThaws from './aging-thaws.ts';
import b01ClearOffByOne from './b-01-clear-off-by-one.ts';
import b03ConditionalEnableFlush from './b-03-conditional-enable-flush.ts';
import b04TdpWriteProtectSkips from './b-04-tdp-write-protect-skips.ts';
import b05ChangedPteStaysMmuWritable from './b-05-changed-pte-stays-mmu-writable.ts';
import b07WriteProtectForgetsStaleTlbs from './b-07-write-protect-forgets-stale-tlbs.ts';
import b08EmulatedWriteNotMarked from './b-08-emulated-write-not-marked.ts';
import b12DirectChildOfOtherAccessKept from './b-12-direct-child-of-other-access-kept.ts';
import b13DirectChildWithoutTheLastEntry from './b-13-direct-child-without-the-last-entry.ts';
import b14RangeFlushOfTheWrongGfn from './b-14-range-flush-of-the-wrong-gfn.ts';
import b17DirectChildFlushOfOnePage from './b-17-direct-child-flush-of-one-page.ts';
import b18FlushOnEverySplit from './b-18-flush-on-every-split.ts';
import b19TdpFlushOfTheWrongLevel from './b-19-tdp-flush-of-the-wrong-level.ts';
import b20FastFaultOnHugePage from './b-20-fast-fault-on-huge-page.ts';
import b21FlushLostOnYield from './b-21-flush-lost-on-yield.ts';
import b22NxRecoveryYieldsWithoutFlush from './b-22-nx-recovery-yields-without-flush.ts';
import b23FlushForNothingAtLogOff from './b-23-flush-for-nothing-at-log-off.ts';
import b24TdpPlainWrite from './b-24-tdp-plain-write.ts';
import b25WriteProtectFlushLost from './b-25-write-protect-flush-lost.ts';
import b29IteratorAdvancesAfterYield from './b-29-iterator-advances-after-yield.ts';
import b30InvalidRootsNotUnmapped from './b-30-invalid-roots-not-unmapped.ts';
import b31LinkBeforeSync from './b-31-link-before-sync.ts';
import b33NonPresentLeafCounted from './b-33-non-present-leaf-counted.ts';
import b34ChildAccessOfTheWholeWalk from './b-34-child-access-of-the-whole-walk.ts';
import b35SyncKeepsEmptyPermissions from './b-35-sync-keeps-empty-permissions.ts';
import b36WriteProtectOnlyWithoutPml from './b-36-write-protect-only-without-pml.ts';
import b38FaultIntoObsoleteRoot from './b-38-fault-into-obsolete-root.ts';
import b39InvalidateSeqTruncated from './b-39-invalidate-seq-truncated.ts';
import b40ZapRangeBlocksPart from './b-40-zap-range-blocks-part.ts';
import b41LeafAtTheWrongLevel from './b-41-leaf-at-the-wrong-level.ts';
import b42NxMarkAfterLink from './b-42-nx-mark-after-link.ts';
import b43AnyTableForbidsHuge from './b-43-any-table-forbids-huge.ts';
import b44StaleCheckBeforeReclaim from './b-44-stale-check-before-reclaim.ts';
import b45MmioOverPresent from './b-45-mmio-over-present.ts';
import b47ChildInheritsInvalid from './b-47-child-inherits-invalid.ts';
import b48ZapsRootsAsOrphans from './b-48-zaps-roots-as-orphans.ts';
import b49CollapsibleBelowTheSlot from './b-49-collapsible-below-the-slot.ts';
import b50ChildReuseIgnoresGfn from './b-50-child-reuse-ignores-gfn.ts';
import b51ChildReuseIgnoresRole from './b-51-child-reuse-ignores-role.ts';
import b54NxRecoveryForgetsItsPages from './b-54-nx-recovery-forgets-its-pages.ts';
import b56NeedbreakInAllModels from './b-56-needbreak-in-all-models.ts';
import b57AllocatesUnderTheLock from './b-57-allocates-under-the-lock.ts';
import b58WalkGoesOnWithoutBits from './b-58-walk-goes-on-without-bits.ts';
import b59RecoversLoggedPages from './b-59-recovers-logged-pages.ts';
import b61LoggedFaultsMapHuge from './b-61-logged-faults-map-huge.ts';
import bustedLock from './busted-lock.ts';
import childRoleIgnoresAccess from './child-role-ignores-access.ts';
import execHuge from './exec-huge.ts';
import flushBeforeDrop from './flush-before-drop.ts';
import linkBeforeFill from './link-before-fill.ts';
import nestedUsesDirtyBits from './nested-uses-dirty-bits.ts';
import neverFlushOnReuse from './never-flush-on-reuse.ts';
import noRestartAfterEagain from './no-restart-after-eagain.ts';
import noRestartAfterSuccess from './no-restart-after-success.ts';
import noSkipInvalidSp from './no-skip-invalid-sp.ts';
import nxKeptOn4k from './nx-kept-on-4k.ts';
import oneDescriptorShort from './one-descriptor-short.ts';
import psKeptAt4k from './ps-kept-at-4k.ts';
import recycleThreshold3 from './recycle-threshold-3.ts';
import skipWrprotIfNotWritable from './skip-wrprot-if-not-writable.ts';
import topupWithoutSlotsLock from './topup-without-slots-lock.ts';
import { P3_WITHOUT } from './p3-without.ts';

export const BUGS: readonly Variant[] = [
  agingThaws,
  b01ClearOffByOne,
  b03ConditionalEnableFlush,
  b04TdpWriteProtectSkips,
  b05ChangedPteStaysMmuWritable,
  b07WriteProtectForgetsStaleTlbs,
  b08EmulatedWriteNotMarked,
  b12DirectChildOfOtherAccessKept,
  b13DirectChildWithoutTheLastEntry,
  b14RangeFlushOfTheWrongGfn,
  b17DirectChildFlushOfOnePage,
  b18FlushOnEverySplit,
  b19TdpFlushOfTheWrongLevel,
  b20FastFaultOnHugePage,
  b21FlushLostOnYield,
  b22NxRecoveryYieldsWithoutFlush,
  b23FlushForNothingAtLogOff,
  b24TdpPlainWrite,
  b25WriteProtectFlushLost,
  b29IteratorAdvancesAfterYield,
  b30InvalidRootsNotUnmapped,
  b31LinkBeforeSync,
  b33NonPresentLeafCounted,
  b34ChildAccessOfTheWholeWalk,
  b35SyncKeepsEmptyPermissions,
  b36WriteProtectOnlyWithoutPml,
  b38FaultIntoObsoleteRoot,
  b39InvalidateSeqTruncated,
  b40ZapRangeBlocksPart,
  b41LeafAtTheWrongLevel,
  b42NxMarkAfterLink,
  b43AnyTableForbidsHuge,
  b44StaleCheckBeforeReclaim,
  b45MmioOverPresent,
  b47ChildInheritsInvalid,
  b48ZapsRootsAsOrphans,
  b49CollapsibleBelowTheSlot,
  b50ChildReuseIgnoresGfn,
  b51ChildReuseIgnoresRole,
  b54NxRecoveryForgetsItsPages,
  b56NeedbreakInAllModels,
  b57AllocatesUnderTheLock,
  b58WalkGoesOnWithoutBits,
  b59RecoversLoggedPages,
  b61LoggedFaultsMapHuge,
  bustedLock,
  childRoleIgnoresAccess,
  execHuge,
  flushBeforeDrop,
  linkBeforeFill,
  nestedUsesDirtyBits,
  neverFlushOnReuse,
  noRestartAfterEagain,
  noRestartAfterSuccess,
  noSkipInvalidSp,
  nxKeptOn4k,
  oneDescriptorShort,
  psKeptAt4k,
  recycleThreshold3,
  skipWrprotIfNotWritable,
  topupWithoutSlotsLock,
  ...P3_WITHOUT,
];
