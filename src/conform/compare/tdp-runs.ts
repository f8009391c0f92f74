/** TDP changes that follow each other are one event with a count in a recording: the same rule for both sides. */
import type { EventOf, RecordedEvent } from '../events.ts';
import { pagesOf } from './expand.ts';
import { bitsOf, isPresent, pfnOf } from '../spte-text.ts';

type Change = EventOf<'kvm_tdp_mmu_spte_changed'>;

/** Whether `now` is what `before` becomes `pages` further: the same bits, and the next page if it maps one. */
function follows(before: string, now: string, pages: number): boolean {
  const [a, b] = [BigInt(`0x${before}`), BigInt(`0x${now}`)];
  if (!isPresent(a) || !isPresent(b)) return a === b;
  return bitsOf(a) === bitsOf(b) && pfnOf(b) === pfnOf(a) + BigInt(pages);
}

function continues(run: Change, next: Change): boolean {
  const pages = (run.count ?? 1) * pagesOf(run.level);
  return (
    next.level === run.level &&
    next.task === run.task &&
    next.gfn === run.gfn + pages &&
    follows(run.old, next.old, pages) &&
    follows(run.new, next.new, pages)
  );
}

export function mergeTdpChanges(events: readonly RecordedEvent[]): RecordedEvent[] {
  const merged: RecordedEvent[] = [];
  for (const event of events) {
    const last = merged.at(-1);
    if (
      event.type === 'kvm_tdp_mmu_spte_changed' &&
      last?.type === 'kvm_tdp_mmu_spte_changed' &&
      continues(last, event)
    )
      merged[merged.length - 1] = { ...last, count: (last.count ?? 1) + (event.count ?? 1) };
    else merged.push(event);
  }
  return merged;
}
