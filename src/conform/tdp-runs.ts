/** Neighbours of kvm_tdp_mmu_spte_changed that a recording tells in one event. */
import type { EventOf, RecordedEvent } from './events.ts';
import { bitsOf, pfnOf } from './spte-text.ts';

type Change = EventOf<'kvm_tdp_mmu_spte_changed'>;

const pagesOf = (level: number): bigint => 1n << (9n * BigInt(level - 1));

/** Is `next` the value `first` plus `k` pages of the level? 0 follows 0. */
function follows(first: string, next: string, level: number, k: bigint): boolean {
  const a = BigInt(`0x${first}`);
  const b = BigInt(`0x${next}`);
  if (a === 0n || b === 0n) return a === b;
  return bitsOf(a) === bitsOf(b) && pfnOf(b) - pfnOf(a) === k * pagesOf(level);
}

/** Adds `event` to the run that `last` is, if it goes on in gfn, frames and flags. */
export function mergeTdpChange(last: RecordedEvent | undefined, event: RecordedEvent): boolean {
  if (last?.type !== 'kvm_tdp_mmu_spte_changed' || event.type !== 'kvm_tdp_mmu_spte_changed') return false;
  const run: Change = last;
  if (run.op !== event.op || run.task !== event.task || run.level !== event.level) return false;
  const k = BigInt(run.count ?? 1);
  if (BigInt(event.gfn) !== BigInt(run.gfn) + k * pagesOf(run.level)) return false;
  if (!follows(run.old, event.old, run.level, k) || !follows(run.new, event.new, run.level, k)) return false;
  run.count = Number(k) + 1;
  run.t_end = event.t;
  return true;
}
