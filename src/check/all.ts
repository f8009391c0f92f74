/** All checks and all invariants. */
import { accountCheck } from './accounts.ts';
import { dirtyLogCheck } from './dirty.ts';
import { DYNAMIC_INVARIANTS } from './invariants/d.ts';
import { Q_STRUCTURE_INVARIANTS } from './invariants/q.ts';
import { tdpLogCheck } from './dirty-tdp.ts';
import { goneSlotCheck } from './gone-slots.ts';
import { leafCheck } from './leaves.ts';
import { linkCheck } from './links.ts';
import { logOffCheck } from './log-off.ts';
import { objectCheck } from './objects.ts';
import { protectedCheck } from './protected.ts';
import { pscCheck } from './psc.ts';
import { rmapCheck } from './rmaps.ts';
import { pageBudgetCheck, shadowPageCheck } from './shadow-pages.ts';
import { shadowedCheck } from './shadowed.ts';
import { flushDebts } from './steps-flush.ts';
import { freedTables } from './steps-freed.ts';
import { installs } from './steps-install.ts';
import { afterInvept } from './steps-invept.ts';
import { multihit } from './steps-multihit.ts';
import { notifierCounts } from './steps-notifier.ts';
import { doneForNothing } from './steps-cost.ts';
import { nxMarksDecide } from './steps-nx.ts';
import { pageLives } from './steps-pages.ts';
import { lockOrder } from './steps-order.ts';
import { splitProgress } from './steps-progress.ts';
import { tdpSplits } from './steps-tdp.ts';
import { volatileBits } from './steps-volatile.ts';
import { guestEntry, sleepingAllocation } from './steps-cpu.ts';
import { protectedAtReturn, shadowedAtRelease } from './steps-log.ts';
import { splitPasses } from './steps-pass.ts';
import { splitContents } from './steps-split.ts';
import { guestWrites, syncedCheck } from './synced.ts';
import { frozenCheck, rootsAtEnd, tdpCheck } from './tdp.ts';
import { tlbCheck } from './tlb.ts';
import { unsyncCheck } from './unsync.ts';
import { zappedCheck } from './zapped.ts';
import type { Invariant, StateCheck, StepCheckFamily } from './types.ts';

export const ALL_STATE_CHECKS: readonly StateCheck[] = [
  dirtyLogCheck,
  tlbCheck,
  shadowedCheck,
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
  tdpLogCheck,
  pscCheck,
];

export const ALL_STEP_CHECKS: readonly StepCheckFamily[] = [
  splitContents,
  splitPasses,
  shadowedAtRelease,
  protectedAtReturn,
  sleepingAllocation,
  guestEntry,
  lockOrder,
  splitProgress,
  installs,
  volatileBits,
  notifierCounts,
  flushDebts,
  freedTables,
  guestWrites,
  rootsAtEnd,
  tdpSplits,
  multihit,
  afterInvept,
  pageLives,
  nxMarksDecide,
  doneForNothing,
];

/** Step checks that look only at what the actor itself holds or counts: these may run on worker threads too. */
export const PARALLEL_STEP_CHECKS: readonly StepCheckFamily[] = [splitPasses, sleepingAllocation, lockOrder];

export const INVARIANTS: readonly Invariant[] = [...Q_STRUCTURE_INVARIANTS, ...DYNAMIC_INVARIANTS];
