/**
 * What the kernel of a recording could be seen doing. A function that the compiler inlined has no probe: its events are
 * absent although other events prove that it ran. Such types are left out of a comparison and named in its report.
 */
import type { EventType } from '../events.ts';
import type { Recording } from '../recording.ts';

/** Types that a nested split with the given outcome always leaves behind where the functions can be probed. */
const OF_EACH_ATTEMPT: readonly EventType[] = ['probe_try_rmap', 'probe_try_one', 'probe_try_one_ret'];
const OF_EACH_TOPUP: readonly EventType[] = ['probe_topup', 'probe_topup_ret'];
const OF_EACH_SPLIT: readonly EventType[] = ['probe_drop_large', 'probe_link'];
/** Never seen where the compiler put the function into its callers, and nothing proves that it ran. */
const MAY_BE_INLINED: readonly EventType[] = ['probe_range_split_begin', 'probe_range_split_end'];

export interface Probes {
  /** Types whose absence says nothing. */
  readonly unseen: ReadonlySet<EventType>;
  /** True: some type of `unseen` is proven to have happened, or `probe_link` holds flush wishes that are no truth values. */
  readonly inlined: boolean;
}

export function probesOf({ events }: Recording): Probes {
  const seen = new Set<EventType>();
  const proven = new Set<EventType>();
  let nested = false;
  let oddFlush = false;
  for (const event of events) {
    seen.add(event.type);
    if (event.type === 'probe_shadow_split_begin') nested = true;
    else if (event.type === 'probe_shadow_split_end') nested = false;
    else if (event.type === 'probe_link') oddFlush ||= event.flush > 1;
    else if (event.type === 'kvm_mmu_split_huge_page' && nested) {
      for (const type of OF_EACH_ATTEMPT) proven.add(type);
      if (event.errno === -11) for (const type of OF_EACH_TOPUP) proven.add(type);
      if (event.errno === 0) for (const type of OF_EACH_SPLIT) proven.add(type);
    }
  }
  const inlined = [...proven].filter((type) => !seen.has(type));
  // The build that inlines one of them inlines them all, also in a recording in which only some would have been seen.
  const odd = oddFlush || inlined.length > 0;
  const family = odd ? [...OF_EACH_ATTEMPT, ...OF_EACH_TOPUP, ...OF_EACH_SPLIT] : [];
  const unseen = [...inlined, ...family, ...MAY_BE_INLINED].filter((type) => !seen.has(type));
  return { unseen: new Set(unseen), inlined: odd };
}
