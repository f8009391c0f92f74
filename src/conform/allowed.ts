/**
 * The written list: differences between a recording and the model that are none of the model's errors. An entry may
 * stand for what a recording cannot determine, or for behaviour outside the model, with its reason. docs/conformance.md
 * shows it; the share of compared values that it covers is part of every report and may not exceed `MAX_ALLOWED_SHARE`.
 */
import type { Allowing, Difference, Kind } from './compare/difference.ts';

export const MAX_ALLOWED_SHARE = 0.03;

export interface AllowedEntry {
  readonly id: string;
  readonly kind: Kind;
  /** Matches the whole field of a difference. */
  readonly field: RegExp;
  /** Only if the recording's number is the greater one. */
  readonly onlyMore?: true;
  readonly cause: 'not determined by a recording' | 'outside the model';
  readonly reason: string;
}

const TIME = 'not determined by a recording';
const OUTSIDE = 'outside the model';

export const ALLOWED: readonly AllowedEntry[] = [
  {
    id: 'yields',
    kind: 'yields',
    field: /^probe_cond_resched_(write|read)$/,
    cause: TIME,
    reason:
      'Whether the scheduler or somebody else wanted the CPU or the lock at that moment. Where it changes what the split ' +
      'does (a topup although the caches are full) the recorded answer is an input of the model.',
  },
  {
    id: 'host-interrupts',
    kind: 'counters',
    field: /^vcpu\d+\.exits$/,
    onlyMore: true,
    cause: TIME,
    reason:
      'Interrupts of the host end a stay in the guest too. Without them the exits follow from faults, nested runs and ' +
      'calls of KVM_RUN, and the model says how many those are.',
  },
  {
    id: 'code-place',
    kind: 'faults',
    field: /^kvm_page_fault\.offset in page$/,
    cause: OUTSIDE,
    reason:
      'Where in its page the program of the guest (L1 and L2 code, VMCB) has the instruction or the data it touches. The ' +
      'model’s guests touch pages; which page it is, and the error code, are compared.',
  },
  {
    id: 'code-place-walk',
    kind: 'walks',
    field: /^kvm_mmu_pagetable_walk\.offset in page$/,
    cause: OUTSIDE,
    reason:
      'The walk of the guest’s tables for such an access: its page, error code and every entry it meets are compared.',
  },
  {
    id: 'nested-rip',
    kind: 'nested',
    field: /^kvm_nested_vmenter\.nested_rip$/,
    cause: OUTSIDE,
    reason: 'The place of L2’s code in its page, as above; the root that L2 runs on is compared.',
  },
];

const covers = (entry: AllowedEntry, { kind, field, expected, actual }: Difference): boolean =>
  entry.kind === kind &&
  entry.field.test(field) &&
  (entry.onlyMore === undefined || Number(expected) > Number(actual));

export const allowing: Allowing = (difference) => ALLOWED.find((entry) => covers(entry, difference))?.id;

/** Only what is a matter of time: for two recordings of kernels. */
export const allowingTime: Allowing = (difference) =>
  ALLOWED.find((entry) => entry.cause === TIME && covers(entry, difference))?.id;
