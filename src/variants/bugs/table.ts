/** Every bug and every switch that kernel-facts 7 and 12 name: the variants that restore it, or why there is none. */

/** One id: the variants that stand for it, or the reason for leaving it out. */
export interface CorpusEntry {
  readonly id: string;
  readonly variants: readonly string[];
  /** Empty if there are variants. */
  readonly leftOut: string;
}

const is = (id: string, ...variants: string[]): CorpusEntry => ({ id, variants, leftOut: '' });
const out = (id: string, leftOut: string): CorpusEntry => ({ id, variants: [], leftOut });

/** B-01 to B-61 (kernel-facts 7). */
export const CORPUS: readonly CorpusEntry[] = [
  is('B-01', 'b-01-clear-off-by-one'),
  out(
    'B-02',
    'benign here: D of a value that has become a table is no bit of a table, so clearing it changes nothing that anybody reads',
  ),
  is('B-03', 'b-03-conditional-enable-flush'),
  is('B-04', 'b-04-tdp-write-protect-skips'),
  is('B-05', 'b-05-changed-pte-stays-mmu-writable'),
  out('B-06', 'hardening: it added assertions and changed nothing; Q27 is those assertions'),
  is('B-07', 'b-07-write-protect-forgets-stale-tlbs'),
  is('B-08', 'b-08-emulated-write-not-marked'),
  out('B-09', 'outside the model: L1 has no PML of its own for L2'),
  out(
    'B-10',
    'benign here: a nested entry that is writable has D from the start, so hardware has no D bit of L2 to log; what it logged before 2021 was superfluous',
  ),
  out('B-11', 'outside the model: CR0.WP = 0 and supervisor writes, which nested paging does not know'),
  is('B-12', 'b-12-direct-child-of-other-access-kept'),
  is('B-13', 'b-13-direct-child-without-the-last-entry', 'child-role-ignores-access'),
  is('B-14', 'b-14-range-flush-of-the-wrong-gfn'),
  out(
    'B-15',
    'cannot happen here: the host changes a pte only of a 4K page, and splits its huge page before, which unmaps the huge SPTE',
  ),
  out('B-16', 'cost only: a range that is too wide flushes more than it must, and no rule is broken'),
  is('B-17', 'b-17-direct-child-flush-of-one-page'),
  is('B-18', 'b-18-flush-on-every-split'),
  is('B-19', 'b-19-tdp-flush-of-the-wrong-level'),
  is('B-20', 'b-20-fast-fault-on-huge-page'),
  is('B-21', 'b-21-flush-lost-on-yield'),
  is('B-22', 'b-22-nx-recovery-yields-without-flush'),
  is('B-23', 'b-23-flush-for-nothing-at-log-off'),
  is('B-24', 'b-24-tdp-plain-write'),
  is('B-25', 'b-25-write-protect-flush-lost'),
  out(
    'B-26',
    'outside the model: it loses what is written between the marking of the host page and the flush, if the host writes the page back meanwhile; there is no write-back here. P1 has it, `tdp-zap-6.10` is the fix',
  ),
  out('B-27', 'outside the model: INVLPGA and guest page tables of L2'),
  out(
    'B-28',
    'outside the model: there is one tag per root and no VM entry that fails; a load without a flush alone (`flushOnRootLoad`) broke nothing in 5,000 schedules of five scenarios, as every removal before it has flushed',
  ),
  is('B-29', 'b-29-iterator-advances-after-yield'),
  is('B-30', 'b-30-invalid-roots-not-unmapped'),
  is('B-31', 'b-31-link-before-sync'),
  out('B-32', 'the same as B-25, under another number'),
  is('B-33', 'b-33-non-present-leaf-counted'),
  is('B-34', 'b-34-child-access-of-the-whole-walk'),
  is('B-35', 'b-35-sync-keeps-empty-permissions'),
  is('B-36', 'b-36-write-protect-only-without-pml'),
  out(
    'B-37',
    'outside the model: EFER.NX = 0 in the guest; the bug was in the check, not in what it checked',
  ),
  is('B-38', 'b-38-fault-into-obsolete-root'),
  is('B-39', 'b-39-invalidate-seq-truncated'),
  is('B-40', 'b-40-zap-range-blocks-part'),
  is('B-41', 'b-41-leaf-at-the-wrong-level'),
  is('B-42', 'b-42-nx-mark-after-link'),
  is('B-43', 'b-43-any-table-forbids-huge'),
  is('B-44', 'b-44-stale-check-before-reclaim'),
  is('B-45', 'b-45-mmio-over-present'),
  out('B-46', 'outside the model: there is one address space, no SMM'),
  is('B-47', 'b-47-child-inherits-invalid'),
  is('B-48', 'b-48-zaps-roots-as-orphans'),
  is('B-49', 'b-49-collapsible-below-the-slot'),
  is('B-50', 'b-50-child-reuse-ignores-gfn'),
  is('B-51', 'b-51-child-reuse-ignores-role'),
  out('B-52', 'outside the model: reloading the module'),
  out('B-53', 'outside the model: memory types of assigned devices'),
  is('B-54', 'b-54-nx-recovery-forgets-its-pages'),
  out(
    'B-55',
    'theoretical, in the words of its fix: everything must be zapped between the exit and the emulation of a write, and shadowed anew before its store; restored by a step of its own it was not found in 9,360 schedules of a scenario made for it',
  ),
  is('B-56', 'b-56-needbreak-in-all-models'),
  is('B-57', 'b-57-allocates-under-the-lock'),
  is('B-58', 'b-58-walk-goes-on-without-bits'),
  is('B-59', 'b-59-recovers-logged-pages'),
  is('B-60', 'exec-huge'),
  is('B-61', 'b-61-logged-faults-map-huge'),
];

/** The switches of kernel-facts 12. */
export const SWITCHES: readonly CorpusEntry[] = [
  is('neverFlushOnReuse', 'never-flush-on-reuse'),
  is('flushBeforeDrop', 'flush-before-drop'),
  is('flushWrongGfn', 'b-14-range-flush-of-the-wrong-gfn'),
  is('noMmuWritable', 'b-07-write-protect-forgets-stale-tlbs'),
  is('skipWrprotIfNotWritable', 'skip-wrprot-if-not-writable'),
  is('conditionalEnableFlush', 'b-03-conditional-enable-flush'),
  is('childRoleIgnoresAccess', 'child-role-ignores-access'),
  is('childReuseIgnoresGfn', 'b-50-child-reuse-ignores-gfn'),
  is('childReuseIgnoresRole', 'b-51-child-reuse-ignores-role'),
  is('noRestartAfterEagain', 'no-restart-after-eagain'),
  is('noRestartAfterSuccess', 'no-restart-after-success'),
  is('advanceAfterYield', 'b-29-iterator-advances-after-yield'),
  is('tdpPlainWrite', 'b-24-tdp-plain-write'),
  is('lostFlushOnYield', 'b-21-flush-lost-on-yield'),
  is('fastPfHuge', 'b-20-fast-fault-on-huge-page'),
  is('inclusiveEndClear', 'b-01-clear-off-by-one'),
  is('keepNxOn4k', 'nx-kept-on-4k'),
  is('execHuge', 'exec-huge'),
  is('keepPsAt4k', 'ps-kept-at-4k'),
  is('dropLockNoSlotsLock', 'topup-without-slots-lock'),
  is('nestedUsesDirtyBits', 'nested-uses-dirty-bits'),
  is('desc512', 'one-descriptor-short'),
  is('staleCheckBeforeReclaim', 'b-44-stale-check-before-reclaim'),
  is('mmioOverPresent', 'b-45-mmio-over-present'),
  is('seqWidthSmall', 'b-39-invalidate-seq-truncated'),
  is('recycleThreshold=3', 'recycle-threshold-3'),
  is('noSkipInvalidSp', 'no-skip-invalid-sp'),
  is('childInheritsInvalid', 'b-47-child-inherits-invalid'),
  is('zapRootsIgnoringCount', 'b-48-zaps-roots-as-orphans'),
];
