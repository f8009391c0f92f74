/** All checks and all invariants. */
import { dirtyLogCheck } from './dirty.ts';
import { DYNAMIC_INVARIANTS } from './invariants/d.ts';
import { Q_STRUCTURE_INVARIANTS } from './invariants/q.ts';
import { leafCheck } from './leaves.ts';
import { linkCheck } from './links.ts';
import { objectCheck } from './objects.ts';
import { rmapCheck } from './rmaps.ts';
import { pageBudgetCheck, shadowPageCheck } from './shadow-pages.ts';
import { shadowedCheck } from './shadowed.ts';
import { guestEntry, sleepingAllocation } from './steps-cpu.ts';
import { protectedAtReturn, shadowedAtRelease } from './steps-log.ts';
import { splitPasses } from './steps-pass.ts';
import { splitContents } from './steps-split.ts';
import { tlbCheck } from './tlb.ts';
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
];

export const ALL_STEP_CHECKS: readonly StepCheckFamily[] = [
  splitContents,
  splitPasses,
  shadowedAtRelease,
  protectedAtReturn,
  sleepingAllocation,
  guestEntry,
];

/** Step checks that look only at what the actor itself holds or counts: these may run on worker threads too. */
export const PARALLEL_STEP_CHECKS: readonly StepCheckFamily[] = [splitPasses, sleepingAllocation];

export const INVARIANTS: readonly Invariant[] = [...Q_STRUCTURE_INVARIANTS, ...DYNAMIC_INVARIANTS];
