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
      'The flushes of a split pass are those of its profile: P0 and P2 one per split, P1 one per split over tables.',
  },
  {
    id: 'D26',
    kind: 'step',
    runtimes: CONTROLLED,
    cost: 'two loads per entry',
    sentence:
      'A vCPU enters the guest only with every request honoured that was made before it said IN_GUEST_MODE.',
  },
];
