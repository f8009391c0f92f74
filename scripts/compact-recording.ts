// Reduces one recording of a real kernel to the JSON that the tests read (test/fixtures/recording.ts):
//   node --import tsx scripts/compact-recording.ts IN.json OUT.json
// The lists it derives from the events are compared with the recording's own counts before anything is written.

import { readFileSync, writeFileSync } from 'node:fs';
import type {
  Action,
  OperationCounts,
  PackedObserved,
  PackedOperation,
  Recording,
  Run,
  Setup,
  Snapshot,
  SplitEvent,
  SplitTable,
} from '../test/fixtures/recording.ts';

interface RawEvent {
  readonly op: number | null;
  readonly type: string;
  /** Absent: the main thread. */
  readonly task?: string;
}
interface SplitTrace extends RawEvent {
  readonly gfn: number;
  readonly level: number;
  readonly errno: number;
}
interface TableTrace extends RawEvent {
  readonly gfn: number;
  readonly level: number;
  readonly access: number;
  readonly created: boolean;
}
interface TopupTrace extends RawEvent {
  readonly desc: number;
  readonly hdr: number;
  readonly page: number;
}

interface RawEntry {
  readonly t: 'table' | 'leaf' | 'nonpresent';
  readonly d?: string;
  /** The entry stands for n entries. */
  readonly n?: number;
}
interface RawTable {
  readonly mmu: 'shadow' | 'tdp-root' | 'tdp';
  readonly role: { readonly level: number; readonly direct: number; readonly access: number };
  readonly entries: readonly RawEntry[];
}
interface RawRmap {
  readonly n: number;
  readonly list: readonly unknown[];
}
interface RawCache {
  readonly nobjs: number;
}
interface RawSnapshot {
  readonly n_used_mmu_pages: number;
  readonly n_max_mmu_pages: number;
  readonly indirect_shadow_pages: number;
  readonly split_caches: Readonly<Record<keyof Snapshot['split_caches'], RawCache>>;
  readonly shadow_pages: readonly RawTable[];
  readonly slots: ReadonlyArray<{
    readonly id: number;
    readonly dirty_logging: boolean;
    readonly rmaps: Readonly<Record<'1' | '2' | '3', readonly RawRmap[]>>;
  }>;
}

type RawOperation = { readonly op: number; readonly counts?: OperationCounts } & Action;

interface RawRecording {
  readonly name: string;
  readonly description: string;
  readonly kernel: Recording['kernel'];
  readonly setup: Setup;
  readonly operations: readonly RawOperation[];
  readonly snapshots: Readonly<Record<string, RawSnapshot>>;
  readonly events: readonly RawEvent[];
}

// need_topup_split_caches_or_resched(): below one of these a topup is the cache's own doing.
const DESC_MIN = 513;
const OBJECT_MIN = 1;

/** Joins neighbours that differ in nothing but a constant step of the gfn. */
function packRuns(triples: ReadonlyArray<SplitEvent | SplitTable>): Run[] {
  const runs: Array<[gfn: number, a: number, b: number, count: number, gfnStep: number]> = [];
  for (const [gfn, a, b] of triples) {
    const run = runs.at(-1);
    const step = run === undefined ? 0 : gfn - (run[0] + (run[3] - 1) * run[4]);
    if (run !== undefined && run[1] === a && run[2] === b && (run[3] === 1 || run[4] === step)) {
      run[3] += 1;
      run[4] = step;
    } else {
      runs.push([gfn, a, b, 1, 0]);
    }
  }
  return runs.map((run) => (run[3] === 1 ? [run[0], run[1], run[2]] : run));
}

class Observer {
  readonly splits: SplitEvent[] = [];
  readonly topups: number[] = [];
  readonly tablesNew: SplitTable[] = [];
  readonly tablesExisting: SplitTable[] = [];
  readonly byErrno: Record<string, number> = {};
  tdpSplits = 0;
  flushes = 0;
  flushesInSplit = 0;
  private inShadowSplit = false;

  see(event: RawEvent): void {
    switch (event.type) {
      case 'probe_shadow_split_begin':
        this.inShadowSplit = true;
        break;
      case 'probe_shadow_split_end':
        this.inShadowSplit = false;
        break;
      case 'kvm_mmu_split_huge_page': {
        const { gfn, level, errno } = event as SplitTrace;
        this.byErrno[errno] = (this.byErrno[errno] ?? 0) + 1;
        if (this.inShadowSplit) this.splits.push([gfn, level, errno]);
        else this.tdpSplits += 1;
        break;
      }
      case 'kvm_mmu_get_page': {
        const { gfn, level, access, created } = event as TableTrace;
        if (this.inShadowSplit) (created ? this.tablesNew : this.tablesExisting).push([gfn, level, access]);
        break;
      }
      case 'probe_topup': {
        // The attempt that topped up is traced after its topup, so its index is the number of those before it.
        const { desc, hdr, page } = event as TopupTrace;
        if (desc >= DESC_MIN && hdr >= OBJECT_MIN && page >= OBJECT_MIN) this.topups.push(this.splits.length);
        break;
      }
      case 'probe_flush':
        this.flushes += 1;
        if (this.inShadowSplit) this.flushesInSplit += 1;
        break;
      default:
    }
  }

  /** Where the recording's own totals of this operation disagree. */
  disagreements(counts: OperationCounts): string[] {
    const errnos = new Set([...Object.keys(this.byErrno), ...Object.keys(counts.split_events_by_errno)]);
    const pairs: Array<readonly [string, number, number]> = [
      ['flush_remote_tlbs', this.flushes, counts.flush_remote_tlbs],
      ['topups_resched_only', this.topups.length, counts.topups_resched_only ?? 0],
    ];
    for (const errno of errnos)
      pairs.push([`errno ${errno}`, this.byErrno[errno] ?? 0, counts.split_events_by_errno[errno] ?? 0]);
    return pairs
      .filter(([, derived, counted]) => derived !== counted)
      .map(([what, derived, counted]) => `${what}: ${derived} from the events, ${counted} counted`);
  }

  packed(): PackedObserved {
    const some = <T>(list: readonly T[]): readonly T[] | undefined => (list.length > 0 ? list : undefined);
    const all = {
      splits: some(packRuns(this.splits)),
      tdp_splits: this.tdpSplits || undefined,
      flushes: this.flushes || undefined,
      flushes_in_split: this.flushesInSplit || undefined,
      topups: some(this.topups),
      sp_new: some(packRuns(this.tablesNew)),
      sp_existing: some(packRuns(this.tablesExisting)),
    };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  }
}

function packOperations(recording: RawRecording): PackedOperation[] {
  const observers = new Map(recording.operations.map(({ op }) => [op, new Observer()]));
  for (const event of recording.events) {
    if (event.task === undefined && event.op !== null) observers.get(event.op)?.see(event);
  }
  return recording.operations.map((operation) => {
    const observer = observers.get(operation.op) ?? new Observer();
    const wrong = operation.counts === undefined ? [] : observer.disagreements(operation.counts);
    if (wrong.length > 0) throw new Error(`${recording.name}, op ${operation.op}: ${wrong.join('; ')}`);
    return { ...operation, ...observer.packed() };
  });
}

function packSnapshot(raw: RawSnapshot): Snapshot {
  const leaves = { '1': 0, '2': 0, '3': 0 };
  const writableLeaves = { '1': 0, '2': 0, '3': 0 };
  const tables: Record<string, number> = {};
  for (const { mmu, role, entries } of raw.shadow_pages) {
    if (mmu !== 'shadow') continue;
    const key = `${role.level}/${role.direct}/${role.access}`;
    tables[key] = (tables[key] ?? 0) + 1;
    for (const entry of entries) {
      if (entry.t !== 'leaf') continue;
      const level = String(role.level) as keyof typeof leaves;
      leaves[level] += entry.n ?? 1;
      if (entry.d?.split(' ').includes('W')) writableLeaves[level] += entry.n ?? 1;
    }
  }
  const entriesOf = (rmaps: readonly RawRmap[]): number =>
    rmaps.reduce((sum, { n, list }) => sum + n * list.length, 0);
  return {
    n_used_mmu_pages: raw.n_used_mmu_pages,
    n_max_mmu_pages: raw.n_max_mmu_pages,
    indirect_shadow_pages: raw.indirect_shadow_pages,
    split_caches: {
      split_desc: raw.split_caches.split_desc.nobjs,
      split_page_header: raw.split_caches.split_page_header.nobjs,
      split_shadow_page: raw.split_caches.split_shadow_page.nobjs,
    },
    leaves,
    writable_leaves: writableLeaves,
    shadow_pages: Object.fromEntries(Object.entries(tables).toSorted(([a], [b]) => (a < b ? 1 : -1))),
    slots: raw.slots.map(({ id, dirty_logging, rmaps }) => ({
      id,
      dirty_logging,
      rmap_entries: { '1': entriesOf(rmaps['1']), '2': entriesOf(rmaps['2']), '3': entriesOf(rmaps['3']) },
    })),
  };
}

/** One line for each operation and snapshot, so that a difference is readable. */
function render(recording: Recording<PackedOperation>): string {
  const lines = (values: readonly string[]): string => values.map((value) => `    ${value}`).join(',\n');
  const { name, description, kernel, setup, operations, snapshots } = recording;
  const head = Object.entries({ name, description, kernel, setup }).map(
    ([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},\n`,
  );
  const ops = lines(operations.map((operation) => JSON.stringify(operation)));
  const snaps = lines(
    Object.entries(snapshots).map(([tag, value]) => `${JSON.stringify(tag)}: ${JSON.stringify(value)}`),
  );
  return `{\n${head.join('')}  "operations": [\n${ops}\n  ],\n  "snapshots": {\n${snaps}\n  }\n}\n`;
}

const [input, output, ...rest] = process.argv.slice(2);
if (input === undefined || output === undefined || rest.length > 0) {
  console.error('usage: compact-recording IN.json OUT.json');
  process.exit(2);
}
const raw = JSON.parse(readFileSync(input, 'utf8')) as RawRecording;
const { name, description, kernel, setup } = raw;
const snapshots = Object.fromEntries(
  Object.entries(raw.snapshots).map(([tag, snapshot]) => [tag, packSnapshot(snapshot)]),
);
writeFileSync(
  output,
  render({ name, description, kernel, setup, operations: packOperations(raw), snapshots }),
);
