/** The state invariants of shadow pages, links, reverse maps, leaves and objects (kernel-facts 6.1, 6.2, 6.4). */
import type { Invariant } from '../types.ts';

const state = (id: string, cost: string, sentence: string): Invariant => ({
  id,
  sentence,
  kind: 'state',
  runtimes: ['controlled', 'parallel'],
  cost,
});

const LIST = 'one walk of the active list';
const HASH = 'one walk of the active list and of all hash buckets';
const TABLES = 'one pass over all tables and parent lists';
const RMAPS = 'one pass over all rmap heads and all tables';
const LEAVES = 'one pass over all tables';
const OBJECTS = 'one pass over all tables, lists and caches';
const ZAPPED = 'the roots of the vCPUs and the active list';
const UNSYNC = 'one pass over the tables of indirect pages';
const SYNCED = "one pass over the tables of indirect pages and L1's own";
const TDP = 'one pass over the tables of the TDP MMU';
const PROTECTED = "the rmap heads of the gfns of L1's tables";
const ACCOUNTS = 'one pass over the counters of each slot';

export const Q_STRUCTURE_INVARIANTS: readonly Invariant[] = [
  state('Q1', LIST, 'A page on the active list is valid, and its table points back to its header.'),
  state('Q2', HASH, 'A page is in the hash bucket of its gfn and in no other.'),
  state('Q3', HASH, 'No two valid pages have the same gfn and role.'),
  state(
    'Q4',
    HASH,
    'n_used counts the pages on the active list and the invalid pages that a root still holds.',
  ),
  state('Q5', 'two words', 'At most four pages more than n_max are in use.'),
  state('Q6', TABLES, 'An entry that points to a table points to that of an active page one level down.'),
  state('Q7', TABLES, 'The parent list of a page names each entry that points to it once, and nothing else.'),
  state('Q8', TABLES, 'No entry of a valid page points to an invalid page.'),
  state('Q9', TABLES, 'The child of a direct page is direct and starts at the gfn its entry covers.'),
  state(
    'Q10',
    TABLES,
    'A direct child of an indirect page starts at the gfn of its entry and has the access of that entry.',
  ),
  state(
    'Q11',
    SYNCED,
    "What a page in sync maps is what L1's entry says now, unless the write of that entry is still being emulated.",
  ),
  state(
    'Q12',
    TABLES,
    'The role of a child is that of its parent one level down, apart from access and directness.',
  ),
  state('Q13', TABLES, 'A child allows nothing that its parent forbids.'),
  state('Q14', LIST, 'With the TDP MMU on, every shadow page is in guest mode.'),
  state('Q19', RMAPS, 'Each present leaf is in the reverse map of its gfn and level, exactly once.'),
  state(
    'Q20',
    RMAPS,
    'Each entry of a reverse map is a leaf of a live page that maps the gfn at that level.',
  ),
  state(
    'Q21',
    RMAPS,
    'Each descriptor of a list holds one to fourteen entries without gaps or duplicates and belongs to one list.',
  ),
  state('Q22', RMAPS, 'A reverse map has at most one entry more than the recycle threshold.'),
  state('Q23', RMAPS, 'No reverse map names an entry that is not present.'),
  state('Q24', LEAVES, 'A leaf maps the frame that the host has for its gfn.'),
  state(
    'Q25',
    LEAVES,
    'A huge leaf is aligned, inside its memslot, and no larger than the host page behind it.',
  ),
  state('Q27', LEAVES, 'W needs MMU-writable, and MMU-writable needs host-writable.'),
  state(
    'Q28',
    LEAVES,
    'A leaf with W has write access by its stored access, which is within that of its page.',
  ),
  state('Q29', LEAVES, 'No leaf of a read-only memslot is host-writable.'),
  state('Q30', LEAVES, 'A leaf has no reserved bits, and its memory type is write-back.'),
  state(
    'Q31',
    LEAVES,
    'The A/D kind of a leaf is that of its role: none, tracked by write protection in nested pages under PML, or full.',
  ),
  state(
    'Q32',
    LEAVES,
    'With the iTLB multihit mitigation on, no huge leaf is executable, now or after access tracking.',
  ),
  state('Q36', OBJECTS, 'The statistics of mapped pages are the numbers of present leaves of each size.'),
  state(
    'Q15',
    ZAPPED,
    'A page that was zapped has no parents and no present entries, is not active, and lives on only as a root of somebody.',
  ),
  state('Q16', ZAPPED, 'The root_count of a page is the number of vCPU roots that name it.'),
  state(
    'Q17',
    UNSYNC,
    'Only level-1 pages of L1 tables are unsync, and from every ancestor marked bits lead to them, as many as it counts.',
  ),
  state('Q18', UNSYNC, 'No page above level 1 is unsync.'),
  state('Q33', UNSYNC, 'The pages marked nx-disallowed are those on the list, and its length is the count.'),
  state('Q37', TDP, 'No entry is frozen while nobody is at work, and none of the shadow MMU ever is.'),
  state(
    'Q38',
    TDP,
    'A page of the TDP MMU is linked at its level and gfn, once, by the entry its header names; it is in no hash, and counted.',
  ),
  state(
    'Q39',
    TDP,
    'A TDP root on the list has a reference for each vCPU that uses it, and at the end no other.',
  ),
  state('Q40', 'the reverse maps of slots that are gone', 'Nothing maps a gfn of a slot that was deleted.'),
  state(
    'Q26',
    PROTECTED,
    'No writable huge page covers a gfn that may not be huge because it holds a shadowed table.',
  ),
  state(
    'Q41',
    PROTECTED,
    'Whatever maps a shadowed table that is in sync, at any level and through any alias, has neither W nor MMU-writable.',
  ),
  state('Q48', 'one pass over the bitmaps of unlogged slots', 'A slot that is not logged has no dirty bits.'),
  state('Q51', ZAPPED, 'Nobody has a root that was freed.'),
  state(
    'Q54',
    ACCOUNTS,
    'The disallow_lpage of a huge page counts misalignment and the accounted pages whose gfn is in it.',
  ),
  state('Q55', ACCOUNTS, 'The write tracking of a gfn counts the shadow pages above level 1 with that gfn.'),
  state('Q56', ACCOUNTS, 'The value of indirect_shadow_pages is the number of accounted pages.'),
  state('Q53', OBJECTS, 'Each object a pool handed out is in a live page, in a list or in a cache.'),
];
