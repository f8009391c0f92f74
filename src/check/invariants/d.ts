/** The invariants of kernel-facts 6.5, and those of 6.3 and 6.4 about the dirty log and the TLBs, for the lists. */
import type { Invariant } from '../types.ts';

const BOTH = ['controlled', 'parallel'] as const;
const CONTROLLED = ['controlled'] as const;

export const DYNAMIC_INVARIANTS: readonly Invariant[] = [
  {
    id: 'Q34',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'one look at the child per split',
    sentence:
      'An entry that a split writes equals the huge SPTE but for the frame, PS, and X where the NX mitigation had taken it.',
  },
  {
    id: 'Q35',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'one look at the child per split',
    sentence:
      'After a split every page still maps the same frame; holes are left only by reused tables and recycling, and only with a flush after the huge SPTE was dropped.',
  },
  {
    id: 'Q42',
    kind: 'state',
    runtimes: BOTH,
    cost: 'the level-2 and level-3 rmaps of logged slots',
    sentence: 'Once logging is on, no page above 4K is writable in that slot.',
  },
  {
    id: 'Q43',
    kind: 'state',
    runtimes: BOTH,
    cost: 'the level-2 and level-3 rmaps of logged slots',
    sentence: 'A split pass that never failed leaves no huge leaf in its range.',
  },
  {
    id: 'Q44',
    kind: 'state',
    runtimes: BOTH,
    cost: 'the level-1 rmaps of logged slots',
    sentence: 'A writable 4K page of a logged slot has its dirty bit set.',
  },
  {
    id: 'Q45',
    kind: 'state',
    runtimes: BOTH,
    cost: 'one pass over the tables of the TDP MMU',
    sentence: 'With PML, a page of a logged slot whose leaf has D is in the log or in a PML buffer.',
  },
  {
    id: 'Q46',
    kind: 'state',
    runtimes: BOTH,
    cost: 'two words per page of logged slots',
    sentence:
      'A page that changed since user space copied it is named by the log or by what user space has in hand.',
  },
  {
    id: 'Q49',
    kind: 'state',
    runtimes: BOTH,
    cost: 'the TLBs, and each table below a huge entry once',
    sentence:
      'A TLB entry equals what a walk yields and permits no more, unless a flush is pending or owed by the dirty-log ioctl.',
  },
  {
    id: 'Q50',
    kind: 'state',
    runtimes: BOTH,
    cost: 'with Q49',
    sentence: 'A huge TLB entry over a table with a hole has a flush pending.',
  },
  {
    id: 'D1',
    kind: 'inside',
    runtimes: BOTH,
    cost: 'one test per change',
    sentence:
      'Shadow structures change only under mmu_lock held for write, and one actor is inside at a time.',
  },
  {
    id: 'D2',
    kind: 'inside',
    runtimes: BOTH,
    cost: 'one test per use',
    sentence: 'The split caches are touched only under slots_lock.',
  },
  {
    id: 'D3',
    kind: 'step',
    runtimes: BOTH,
    cost: 'one test per topup',
    sentence: 'Nothing that may sleep is done with mmu_lock held.',
  },
  {
    id: 'D4',
    kind: 'inside',
    runtimes: BOTH,
    cost: 'one test per step of the iterator',
    sentence: 'No reference taken before mmu_lock was dropped is followed afterwards.',
  },
  {
    id: 'D6',
    kind: 'inside',
    runtimes: BOTH,
    cost: 'one comparison per page at the end of a migration',
    sentence: 'No write is lost: after the last harvest the destination equals the source.',
  },
  {
    id: 'D10',
    kind: 'state',
    runtimes: BOTH,
    cost: 'the writable entries of the TLBs',
    sentence: "When mmu_lock is dropped, no TLB entry can write a page that holds a shadowed table of L1's.",
  },
  {
    id: 'D11',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'the rmaps and TLBs, once per ioctl',
    sentence: 'When a dirty-log ioctl returns, nobody can write a page whose bit is clear without a fault.',
  },
  {
    id: 'D14',
    kind: 'step',
    runtimes: BOTH,
    cost: 'a counter',
    sentence: 'There is at most one split between two looks at whether the lock should be given up.',
  },
  {
    id: 'D16',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'one look at the child per split',
    sentence: 'A split adds no permission, but for X at 4K under the NX mitigation, and maps no new gfn.',
  },
  {
    id: 'D22',
    kind: 'step',
    runtimes: BOTH,
    cost: 'one rmap head per level-2 split',
    sentence:
      'A level-2 page is split only when no level-3 page maps it any more, and its SPTE then points to the child.',
  },
  {
    id: 'D23',
    kind: 'step',
    runtimes: BOTH,
    cost: 'one counter per attempt',
    sentence:
      'An attempt that succeeds takes exactly one huge leaf of its level away; one that fails takes none.',
  },
  {
    id: 'D24',
    kind: 'step',
    runtimes: BOTH,
    cost: 'a counter',
    sentence:
      'The flushes of a split pass are those of its profile: P0 and P2 one per split, P1 one per split over tables, P3 one per dropped lock at most, P4 none.',
  },
  {
    id: 'D25',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'a copy of the RCU words per table cut off',
    sentence:
      'A page table of the TDP MMU is freed only after every reader that could have seen it has left.',
  },
  {
    id: 'D26',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'two loads per entry',
    sentence:
      'A vCPU enters the guest only with every request honoured that was made before it said IN_GUEST_MODE.',
  },
  {
    id: 'Q47',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'one test per change of an entry',
    sentence: 'When an SPTE value that says dirty is gone, the host page behind it is marked dirty.',
  },
  {
    id: 'Q52',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'two words per write section',
    sentence:
      'mmu_invalidate_in_progress counts the notifiers at work, and mmu_invalidate_seq those that have ended.',
  },
  {
    id: 'D5',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'one test per plain store of an entry',
    sentence: 'An entry that hardware or the fast path may change is replaced only by an atomic operation.',
  },
  {
    id: 'D7',
    kind: 'step',
    runtimes: BOTH,
    cost: 'one test per guest access; in the controlled runtime also the TLBs, once per invalidation',
    sentence: 'Once a notifier has unmapped, no translation leads to the old frame.',
  },
  {
    id: 'D8',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'one word per step of a walk, and the TLBs per table freed',
    sentence: 'No translation is used, or could be, whose table was freed.',
  },
  {
    id: 'D9',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'the executable entries of one TLB per fill',
    sentence:
      'With the iTLB multihit mitigation on, no vCPU holds an executable huge translation; with it off, exposures are counted.',
  },
  {
    id: 'D12',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'a counter',
    sentence: 'A head is started over at most once per split and per drop of mmu_lock.',
  },
  {
    id: 'D13',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'a counter',
    sentence:
      'A pass gives mmu_lock up without a split at most once for its caches and once per competitor that gets in, which without preemption it does not look for; a fault is tried again for an invalidation only if there was one.',
  },
  {
    id: 'D15',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'one look per split',
    sentence:
      'A page being split is unmapped only inside one write section in the shadow MMU, and never in the TDP MMU.',
  },
  {
    id: 'D17',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'three words per entry installed',
    sentence: 'A fault installs nothing through an obsolete root or from before an invalidation.',
  },
  {
    id: 'D18',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'one test per fast page fault',
    sentence: 'The fast path makes no huge page of a logged slot writable.',
  },
  {
    id: 'D19',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'a list per section',
    sentence:
      'A page made writable in a logged slot is in the log when the section ends, or, on the fast path, before the vCPU enters the guest.',
  },
  {
    id: 'D20',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'a list per section',
    sentence: 'Whoever gives mmu_lock up owes no flush but the deferrable ones.',
  },
  {
    id: 'D21',
    kind: 'step',
    runtimes: BOTH,
    cost: 'one test per lock taken',
    sentence:
      'Locks are taken from the outside in: slots_lock, slots_arch_lock, the host, mmu_lock, the spinlocks inside it.',
  },
];
