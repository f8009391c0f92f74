/** What a kernel did in a recording, in a few numbers by operation: the ground of what `--diff` says in words. */
import type { RecordedEvent } from './events.ts';
import type { Recording } from './recording.ts';
import type { Snapshot } from './snapshots.ts';

export interface OperationBehaviour {
  readonly op: number;
  /** Split events by errno ("0" = done), nested and TDP. */
  readonly nested: Record<string, number>;
  readonly tdp: Record<string, number>;
  /** gfns in the order in which the nested split finished them. */
  readonly order: readonly number[];
  readonly tablesCreated: number;
  readonly tablesFound: number;
  /** Inside the nested split, and in the whole operation. */
  readonly nestedFlushes: number;
  readonly flushes: number;
  readonly faults: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function add(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

function see(
  sum: Mutable<OperationBehaviour> & { order: number[] },
  event: RecordedEvent,
  nested: boolean,
): void {
  const { type } = event;
  if (type === 'kvm_mmu_split_huge_page') {
    add(nested ? sum.nested : sum.tdp, String(event.errno));
    if (nested && event.errno === 0) sum.order.push(event.gfn);
  } else if (type === 'kvm_mmu_get_page') {
    if (event.created) sum.tablesCreated++;
    else sum.tablesFound++;
  } else if (type === 'probe_flush') {
    sum.flushes++;
    if (nested) sum.nestedFlushes++;
  } else if (type === 'kvm_page_fault') sum.faults++;
}

/** By operation; what happened between operations and in the background counts for none. */
export function behaviourOf(recording: Recording): ReadonlyMap<number, OperationBehaviour> {
  const all = new Map<number, Mutable<OperationBehaviour> & { order: number[] }>();
  let nested = false;
  for (const event of recording.events) {
    if (event.op === null || event.task !== undefined) continue;
    if (event.type === 'probe_shadow_split_begin') nested = true;
    if (event.type === 'probe_shadow_split_end') nested = false;
    let sum = all.get(event.op);
    if (sum === undefined) {
      sum = {
        op: event.op,
        nested: {},
        tdp: {},
        order: [],
        tablesCreated: 0,
        tablesFound: 0,
        nestedFlushes: 0,
        flushes: 0,
        faults: 0,
      };
      all.set(event.op, sum);
    }
    see(sum, event, nested);
  }
  return all;
}

/** Huge leaf SPTEs of a dump. */
export function hugeLeaves(snapshot: Snapshot): number {
  let leaves = 0;
  for (const page of snapshot.shadow_pages)
    if (page.role.level > 1) for (const entry of page.entries) if (entry.t === 'leaf') leaves += entry.n ?? 1;
  return leaves;
}
