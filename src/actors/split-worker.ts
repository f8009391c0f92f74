/**
 * A shard's split worker: waits for the dirty-log thread to hand out a pass and splits its part of the slot with its
 * own caches. KVM has one such thread, the ioctl's own; several are what-if (issue of finer parallelism).
 */
import type { Cpu } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { splitCaches } from '../mmu/memory-cache.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import { slotTrySplitHugePages } from '../mmu/shadow/split.ts';
import type { ActorContext } from './context.ts';

/** Stored in the request word to send the workers home. */
const NO_MORE = -1;

/**
 * Cuts a slot into `shards` ranges at boundaries of its largest host page.
 * @returns boundaries, `shards + 1` of them
 * @throws RangeError if there are fewer such pages than shards
 */
export function cutShards(kvm: Kvm, slot: MemSlot, shards: number): number[] {
  const unit = kvm.pages(slot.config.backing);
  const firstUnit = Math.floor(slot.baseGfn / unit);
  const units = Math.ceil((slot.baseGfn + slot.npages) / unit) - firstUnit;
  if (units < shards) {
    throw new RangeError(`${shards} splitters need ${shards} huge pages to share, but the slot has ${units}`);
  }
  return Array.from({ length: shards + 1 }, (_, shard) => {
    const gfn = (firstUnit + Math.floor((units * shard) / shards)) * unit;
    return Math.min(Math.max(gfn, slot.baseGfn), slot.baseGfn + slot.npages);
  });
}

export function* splitWorker(context: ActorContext, shard: number): Steps<void> {
  const { kvm, cpu } = context;
  const request = kvm.base + KVM.splitRequest;
  const done = kvm.base + KVM.splitDone;
  let served = 0;
  for (;;) {
    cpu.safepoint();
    if (cpu.stepped && cpu.stops(Op.Wait, request, served)) yield;
    cpu.wait(request, served);
    if (cpu.stepped && cpu.stops(Op.Load, request)) yield;
    const now = cpu.load(request);
    if (now === served) continue;
    if (now === NO_MORE) return;
    served = now;
    const slot = kvm.slots[kvm.w[kvm.base + KVM.splitSlot]!]!;
    const cuts = cutShards(kvm, slot, kvm.config.shards);
    yield* slotTrySplitHugePages(kvm, cpu, splitCaches(kvm, shard), slot, cuts[shard]!, cuts[shard + 1]!);
    if (cpu.stepped && cpu.stops(Op.Add, done)) yield;
    cpu.add(done, 1);
    cpu.notify(done);
  }
}

/** The dirty-log thread's side: hands the slot to the workers and waits for all of them. It holds slots_lock. */
export function* splitByShards(kvm: Kvm, cpu: Cpu, slot: MemSlot): Steps<void> {
  const request = kvm.base + KVM.splitRequest;
  const done = kvm.base + KVM.splitDone;
  kvm.put(KVM.splitSlot, kvm.slots.indexOf(slot));
  if (cpu.stepped && cpu.stops(Op.Store, done)) yield;
  cpu.store(done, 0);
  if (cpu.stepped && cpu.stops(Op.Add, request)) yield;
  cpu.add(request, 1);
  cpu.notify(request);
  for (;;) {
    if (cpu.stepped && cpu.stops(Op.Load, done)) yield;
    const finished = cpu.load(done);
    if (finished === kvm.config.shards) return;
    if (cpu.stepped && cpu.stops(Op.Wait, done, finished)) yield;
    cpu.wait(done, finished);
  }
}

/** Sends the workers home. */
export function* dismissSplitWorkers(kvm: Kvm, cpu: Cpu): Steps<void> {
  const request = kvm.base + KVM.splitRequest;
  if (cpu.stepped && cpu.stops(Op.Store, request)) yield;
  cpu.store(request, NO_MORE);
  cpu.notify(request);
}
