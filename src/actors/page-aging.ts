/**
 * The host looks which pages a guest uses (kernel-facts A12): reclaim asks and clears, with a flush or without, and idle-page
 * tracking only asks. Without A bits aging takes permissions away, which looks like write protection and is none (B-03,
 * H-C).
 */
import type { Steps } from '../cpu/steps.ts';
import { clearFlushYoung, clearYoung, testYoung } from '../mmu/host/aging.ts';
import { hostRange } from '../mmu/host/range.ts';
import type { CastMember } from './cast.ts';
import type { ActorContext, CastOptions } from './context.ts';
import { drawRange } from './host-range.ts';
import { playRounds } from './rounds.ts';

export const PAGE_AGING: CastMember = {
  summary: 'the host ages pages of the guest, with and without a flush',
  facts: ['A12', 'B-03', 'H-C'],
  moves: { clearFlushYoung: 2, clearYoung: 2, testYoung: 1 },
  run: pageAging,
};

export function* pageAging(context: ActorContext, options: CastOptions): Steps<void> {
  const { kvm, cpu } = context;
  const slots = kvm.slots.filter(({ config }) => options.slots.includes(config.id));
  const move = (age: typeof clearYoung) =>
    function* (): Steps<void> {
      const range = drawRange(kvm, cpu, slots);
      if (range !== undefined) yield* age(kvm, cpu, hostRange(kvm, range.slot, range.start, range.end));
    };
  yield* playRounds(context, options, {
    clearFlushYoung: move(clearFlushYoung),
    clearYoung: move(clearYoung),
    testYoung: move(testYoung),
  });
}
