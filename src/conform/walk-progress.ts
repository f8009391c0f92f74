/**
 * How far a write-protecting walk had come when it gave the lock up, as far as a recording tells: no event says it, but what
 * faults mapped in between does. A page that a fault made writable and that is writable in the next snapshot, or that had to
 * be made writable again, was behind the walk.
 */
import type { RecordedEvent } from './events.ts';
import type { Recording } from './recording.ts';
import type { Snapshot } from './snapshots.ts';

const PRESENT_WRITE = 3;
const WRITABLE = 2n;

/** By index of a yield among the events: the last gfn that is known to be behind the walk. */
export function walkProgress(recording: Recording): ReadonlyMap<number, number> {
  const { events } = recording;
  const behind = new Map<number, number>();
  let walking = false;
  let last = -1;
  let gfn = -1;
  let protectedAgain = false;
  const passed = (page: number): void => {
    last = Math.max(last, page);
  };
  events.forEach((event, index) => {
    if (event.type === 'probe_slot_wrprot_begin') {
      walking = true;
      last = -1;
    } else if (event.type === 'probe_slot_wrprot_end') walking = false;
    if (!walking) return;
    if (event.type === 'probe_cond_resched_write') {
      if (last >= 0) behind.set(index, last);
    } else if (event.task === undefined) return;
    else if (event.type === 'kvm_page_fault') {
      protectedAgain = (Number.parseInt(event.error_code.slice(-2), 16) & PRESENT_WRITE) === PRESENT_WRITE;
    } else if (event.type === 'kvm_mmu_spte_requested') {
      ({ gfn } = event);
      if (protectedAgain) passed(gfn);
    } else if (event.type === 'kvm_mmu_set_spte' && event.gfn === gfn && staysWritable(recording, index)) {
      passed(gfn);
    }
  });
  return behind;
}

/** The SPTE that the event has set is still writable in the next snapshot, and was not set again before. */
function staysWritable({ events, operations, snapshots }: Recording, index: number): boolean {
  const event = events[index]!;
  if (event.type !== 'kvm_mmu_set_spte') return false;
  const snapshot = operations.find((each) => each.type === 'snapshot' && each.op > (event.op ?? Infinity));
  if (snapshot?.type !== 'snapshot') return false;
  const again = (other: RecordedEvent, k: number): boolean =>
    k > index &&
    (other.op ?? 0) < snapshot.op &&
    other.type === 'kvm_mmu_set_spte' &&
    other.at[0] === event.at[0] &&
    other.at[1] === event.at[1];
  return !events.some(again) && isWritable(snapshots[snapshot.tag], event.at);
}

function isWritable(snapshot: Snapshot | undefined, [id, index]: readonly [string, number]): boolean {
  const page = snapshot?.shadow_pages.find((each) => each.id === id);
  const entry = page?.entries.find(({ i, n = 1 }) => index >= i && index < i + n);
  return entry !== undefined && (BigInt(`0x${entry.spte}`) & WRITABLE) !== 0n;
}
