/** P3 with one of the places of kernel-facts 9.4 left out, each caught where the debt becomes visible. */
import type { DebtPlace } from '../../mmu/version-steps.ts';
import { defineVariant, type Variant } from '../define.ts';
import { deferredFlush } from '../profiles/deferred-flush.ts';

interface Omission {
  readonly place: DebtPlace;
  readonly summary: string;
  readonly scenario: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

const OMISSIONS: readonly Omission[] = [
  { place: 'F1', summary: 'before a topup', scenario: 'nx-partial-reuse' },
  { place: 'F2', summary: 'when the walker yields', scenario: 'nx-partial-reuse' },
  { place: 'F3', summary: 'at the end of the write section of enabling', scenario: 'nx-partial-reuse' },
  {
    place: 'F4',
    summary: 'at the end of the shadow part of CLEAR_DIRTY_LOG',
    scenario: 'nx-partial-reuse',
    parameters: { manual: 'initially-set' },
  },
  {
    place: 'F5',
    summary: 'after a head that was left with -ENOSPC',
    scenario: 'nx-partial-reuse',
    parameters: { mmuPages: 10 },
  },
  { place: 'F6', summary: 'from one level to the next', scenario: 'log-cycle' },
  {
    place: 'F9',
    summary: 'while mmu_lock is dropped, and flushes only then',
    scenario: 'nx-partial-reuse',
    parameters: { reschedRate: 0.2 },
  },
];

export const P3_WITHOUT: readonly Variant[] = OMISSIONS.map(({ place, summary, scenario, parameters }) =>
  defineVariant({
    name: `p3-without-${place.toLowerCase()}`,
    summary: `P3 that owes its flush ${summary}`,
    kind: 'bug',
    facts: ['9.4', 'C6', 'D20'],
    caughtBy: ['D20', 'Q35', 'Q49', 'Q50'],
    scenario,
    ...(parameters === undefined ? {} : { parameters }),
    apply: () => deferredFlush(place),
  }),
);
