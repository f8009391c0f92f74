/** What a comparison finds, and how it is counted. */

/** What is compared, each with its own tally. The order is that of the tables in reports. */
export const KINDS = [
  'pages',
  'entries',
  'parents',
  'rmaps',
  'limits',
  'disallowed',
  'counters',
  'results',
  'splits',
  'attempts',
  'tables',
  'links',
  'faults',
  'walks',
  'tdp',
  'flushes',
  'passes',
  'nested',
  'yields',
  'order',
] as const;
export type Kind = (typeof KINDS)[number];

/** The three heads under which the kinds stand. */
export const KIND_GROUPS: Readonly<Record<'snapshots' | 'counters' | 'events', readonly Kind[]>> = {
  snapshots: ['pages', 'entries', 'parents', 'rmaps', 'limits', 'disallowed'],
  counters: ['counters', 'results'],
  events: [
    'splits',
    'attempts',
    'tables',
    'links',
    'faults',
    'walks',
    'tdp',
    'flushes',
    'passes',
    'nested',
    'yields',
    'order',
  ],
};

export const KIND_TEXTS: Readonly<Record<Kind, string>> = {
  pages: 'shadow pages: gfn, role, root count, unsync, NX mark, place in the active list',
  entries: 'SPTEs: kind, target, every permission and software bit, remembered gfn and access',
  parents: 'parent lists in order, and their descriptors',
  rmaps: 'reverse maps in order, and their descriptors',
  limits: 'MMU page counts and limits, split caches, slots',
  disallowed: 'where a huge page is forbidden',
  counters: 'counters that KVM exports',
  results: 'what operations returned: codes, dirty pages, totals',
  splits: 'split events: gfn, level, SPTE, errno',
  attempts: 'attempts on rmap heads and SPTEs, caches at the time, topups',
  tables: 'shadow pages created, found, zapped, synchronised',
  links: 'tables linked, huge SPTEs dropped, flush wishes',
  faults: 'page faults and what they installed',
  walks: 'walks of the guest’s tables',
  tdp: 'changes of TDP SPTEs',
  flushes: 'TLB flushes',
  passes: 'begin and end of splitting, write protection and log words, with their ranges',
  nested: 'nested VM entries and exits',
  yields: 'mmu_lock given up on the way, or not',
  order: 'the order of all these events among each other',
};

export interface Difference {
  readonly kind: Kind;
  /** What differs, for machines: `role.access`, `W`, `remote_tlb_flush`, the type of an event. */
  readonly field: string;
  /** The operation in or after which it shows; undefined: none in particular. */
  readonly op: number | undefined;
  /** The tag, for what stands in a snapshot. */
  readonly snapshot?: string;
  /** What differs, for people. */
  readonly where: string;
  readonly expected: string;
  readonly actual: string;
}

/** How many differences of one kind are kept with their words; all are counted. */
const KEPT = 200;
const KEPT_ALLOWED = 20;

export interface Counted {
  compared: number;
  different: number;
  /** Those of `different` that are on the list. */
  allowed: number;
}

/** Says which entry of the written list covers a difference; undefined: none does. */
export type Allowing = (difference: Difference) => string | undefined;

export interface KeptDifference extends Difference {
  readonly allowed?: string;
}

/** All differences of one kind in one field. */
export interface FieldCount {
  readonly kind: Kind;
  readonly field: string;
  readonly first: Difference;
  times: number;
}

export class Tally {
  readonly counts: Record<Kind, Counted>;
  /** By the entry of the list. */
  readonly allowedBy = new Map<string, number>();
  private readonly fields = new Map<string, FieldCount>();
  private readonly kept: KeptDifference[] = [];
  private readonly keptOf = new Map<string, number>();
  private readonly allowing: Allowing;

  constructor(allowing: Allowing) {
    this.allowing = allowing;
    this.counts = Object.fromEntries(
      KINDS.map((kind) => [kind, { compared: 0, different: 0, allowed: 0 }]),
    ) as Record<Kind, Counted>;
  }

  same(kind: Kind, values = 1): void {
    this.counts[kind].compared += values;
  }

  /** One compared value that is not the same. */
  differs(difference: Difference): void {
    const { kind, field } = difference;
    const counted = this.counts[kind];
    counted.compared++;
    counted.different++;
    const rule = this.allowing(difference);
    if (rule !== undefined) {
      counted.allowed++;
      this.allowedBy.set(rule, (this.allowedBy.get(rule) ?? 0) + 1);
    }
    const key = `${kind} ${field}`;
    const ofField = this.fields.get(key);
    if (ofField === undefined) this.fields.set(key, { kind, field, first: difference, times: 1 });
    else ofField.times++;
    const list = rule === undefined ? kind : `${kind} allowed`;
    const times = this.keptOf.get(list) ?? 0;
    if (times >= (rule === undefined ? KEPT : KEPT_ALLOWED)) return;
    this.keptOf.set(list, times + 1);
    this.kept.push(rule === undefined ? difference : { ...difference, allowed: rule });
  }

  /** Compares two texts as one value. */
  value(difference: Difference): void {
    if (difference.expected === difference.actual) this.same(difference.kind);
    else this.differs(difference);
  }

  /** In the order of the operations; what an operation did comes before what a snapshot shows after it. */
  differences(): KeptDifference[] {
    const rank = ({ op, snapshot, kind }: Difference): number =>
      (op ?? Number.MAX_SAFE_INTEGER / 8) * 4 +
      (snapshot === undefined ? 0 : 2) +
      (kind === 'results' || kind === 'counters' ? 1 : 0);
    return this.kept
      .map((difference, at) => ({ difference, at, rank: rank(difference) }))
      .toSorted((a, b) => a.rank - b.rank || a.at - b.at)
      .map(({ difference }) => difference);
  }

  byField(): readonly FieldCount[] {
    return [...this.fields.values()];
  }

  total(kinds: readonly Kind[] = KINDS): Counted {
    const sum = { compared: 0, different: 0, allowed: 0 };
    for (const kind of kinds) {
      sum.compared += this.counts[kind].compared;
      sum.different += this.counts[kind].different;
      sum.allowed += this.counts[kind].allowed;
    }
    return sum;
  }
}
