/** What a recording decides that the model cannot know: where the scheduler took the CPU or the lock from KVM. */
import type { RecordedEvent } from './events.ts';
import type { Recording } from './recording.ts';

/** Minima of the split caches (kernel-facts 2.3). */
const MIN_DESC = 513;

/** Of one operation. */
export interface OperationInputs {
  /** Attempts of the nested split, by number, that end with EAGAIN though the caches are full enough. */
  readonly topups: ReadonlySet<number>;
  /** Yields of a walk over reverse maps that owed a flush, which comes first. Where in the walk, no event tells. */
  readonly flushingYields: number;
}

const NONE: OperationInputs = { topups: new Set(), flushingYields: 0 };

/** What is known of an operation while its events are read. */
class Reading implements OperationInputs {
  readonly topups = new Set<number>();
  flushingYields = 0;
  attempt = 0;
  inTdp = false;
  last: RecordedEvent | undefined;
}

/**
 * A recording with probes says so: a topup that finds enough. Without them any attempt that ended with EAGAIN may be one; the
 * model still has to come to those of the caches by itself.
 */
export class Inputs {
  private readonly byOp = new Map<number, Reading>();

  constructor({ events }: Pick<Recording, 'events'>) {
    const probes = events.some(({ type }) => type === 'probe_topup');
    for (const event of events) {
      if (event.task !== undefined || event.op === null) continue;
      const reading = this.byOp.get(event.op) ?? new Reading();
      this.byOp.set(event.op, reading);
      read(reading, event, probes);
      reading.last = event;
    }
  }

  of(op: number | null): OperationInputs {
    return (op === null ? undefined : this.byOp.get(op)) ?? NONE;
  }
}

function read(reading: Reading, event: RecordedEvent, probes: boolean): void {
  if (event.type === 'probe_tdp_split_begin') reading.inTdp = true;
  else if (event.type === 'probe_tdp_split_end') reading.inTdp = false;
  else if (event.type === 'probe_topup') {
    if (event.desc >= MIN_DESC && event.hdr >= 1 && event.page >= 1) reading.topups.add(reading.attempt);
  } else if (event.type === 'kvm_mmu_split_huge_page' && !reading.inTdp) {
    if (!probes && event.errno === -11) reading.topups.add(reading.attempt);
    reading.attempt++;
  } else if (event.type === 'probe_cond_resched_write' && event.ret === 1) {
    if (reading.last?.type === 'probe_flush') reading.flushingYields++;
  }
}
