/** TDP changes that follow each other are one event with a count in a recording: the same rule for both sides. */
import type { EventOf, RecordedEvent } from '../events.ts';
import { pagesOf } from './expand.ts';
import { bitsOf, isPresent, pfnOf } from '../spte-text.ts';

type Change = EventOf<'kvm_tdp_mmu_spte_changed'>;

const TABLE_ENTRIES = 512;

/** Whether `now` is what `before` becomes `pages` further: the same bits, and the next page if it maps one. */
function follows(before: string, now: string, pages: number): boolean {
  const [a, b] = [BigInt(`0x${before}`), BigInt(`0x${now}`)];
  if (!isPresent(a) || !isPresent(b)) return a === b;
  return bitsOf(a) === bitsOf(b) && pfnOf(b) === pfnOf(a) + BigInt(pages);
}

/** The value of the entry `pages` further on. */
function advance(spte: string, pages: number): string {
  const value = BigInt(`0x${spte}`);
  return isPresent(value) ? (value + (BigInt(pages) << 12n)).toString(16) : spte;
}

/**
 * The run table by table. Whether it goes on into the next one depends on where the host has put the next huge page, which is
 * nothing that is compared here.
 */
function byTables(run: Change): Change[] {
  const { gfn, level, old, new: now, count = 1, ...rest } = run;
  const pages = pagesOf(level);
  const pieces: Change[] = [];
  for (let done = 0; done < count;) {
    const first = gfn + done * pages;
    const left = TABLE_ENTRIES - (Math.floor(first / pages) % TABLE_ENTRIES);
    const here = Math.min(left, count - done);
    const offset = done * pages;
    const piece: Change = {
      ...rest,
      gfn: first,
      level,
      old: advance(old, offset),
      new: advance(now, offset),
    };
    pieces.push(here === 1 ? piece : { ...piece, count: here });
    done += here;
  }
  return pieces;
}

function continues(run: Change, next: Change): boolean {
  const pages = (run.count ?? 1) * pagesOf(run.level);
  return (
    next.level === run.level &&
    next.task === run.task &&
    next.gfn === run.gfn + pages &&
    Math.floor(next.gfn / pagesOf(run.level)) % TABLE_ENTRIES !== 0 &&
    follows(run.old, next.old, pages) &&
    follows(run.new, next.new, pages)
  );
}

export function mergeTdpChanges(events: readonly RecordedEvent[]): RecordedEvent[] {
  const merged: RecordedEvent[] = [];
  /** Index of the run that the next change may continue; a yield of the lock in the middle ends none. */
  let run = -1;
  for (const event of events) {
    if (event.type !== 'kvm_tdp_mmu_spte_changed') {
      if (!event.type.startsWith('probe_cond_resched_')) run = -1;
      merged.push(event);
      continue;
    }
    for (const piece of byTables(event)) {
      const last = merged[run];
      if (last?.type === 'kvm_tdp_mmu_spte_changed' && continues(last, piece)) {
        merged[run] = { ...last, count: (last.count ?? 1) + (piece.count ?? 1) };
      } else run = merged.push(piece) - 1;
    }
  }
  return merged;
}
