/** What a recording decides that the model cannot know: where the scheduler took the CPU or the lock from the split. */
import type { RecordedEvent } from './events.ts';
import type { Recording } from './recording.ts';

/** Minima of the split caches (kernel-facts 2.3). */
const MIN_DESC = 513;

/** Attempts of the nested split, by operation, that end with EAGAIN though the caches are full enough. */
export type Inputs = ReadonlyMap<number, ReadonlySet<number>>;

/**
 * A recording with probes says so: a topup that finds enough. Without them any attempt that ended with EAGAIN may be one; the
 * model still has to come to those of the caches by itself.
 */
export function inputsOf({ events }: Pick<Recording, 'events'>): Inputs {
  const probes = events.some(({ type }) => type === 'probe_topup');
  const forced = new Map<number, Set<number>>();
  let op: number | null = null;
  let attempt = 0;
  let inTdp = false;
  const force = (): void => {
    if (op === null) return;
    const known = forced.get(op);
    if (known === undefined) forced.set(op, new Set([attempt]));
    else known.add(attempt);
  };
  for (const event of events) {
    if (event.task !== undefined) continue;
    if (event.op !== op) {
      op = event.op;
      attempt = 0;
    }
    if (event.type === 'probe_tdp_split_begin') inTdp = true;
    else if (event.type === 'probe_tdp_split_end') inTdp = false;
    else if (probes && isForcedTopup(event)) force();
    else if (event.type === 'kvm_mmu_split_huge_page' && !inTdp) {
      if (!probes && event.errno === -11) force();
      attempt++;
    }
  }
  return forced;
}

const isForcedTopup = (event: RecordedEvent): boolean =>
  event.type === 'probe_topup' && event.desc >= MIN_DESC && event.hdr >= 1 && event.page >= 1;
