/** Memory pressure on shadow pages (kernel-facts A22, A23): the shrinker, and a limit that user space moves. */
import type { Cpu } from '../cpu/cpu.ts';
import type { Steps } from '../cpu/steps.ts';
import { defaultMmuPages, KVM_MIN_FREE_MMU_PAGES } from '../mmu/config.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { mmuShrinkScan, setNrMmuPages } from '../mmu/reclaim.ts';
import type { CastMember } from './cast.ts';
import type { ActorContext, CastOptions } from './context.ts';
import { playRounds } from './rounds.ts';

/** Most pages the shrinker asks for at once; the kernel's batch is 128, of thousands. */
const LARGEST_SCAN = 8;

export const RECLAIM: CastMember = {
  summary: 'the shrinker frees shadow pages, and user space changes KVM_SET_NR_MMU_PAGES',
  facts: ['A21', 'A22', 'A23', 'B-44'],
  moves: { shrink: 2, setLimit: 1 },
  run: reclaim,
};

export function* reclaim(context: ActorContext, options: CastOptions): Steps<void> {
  const { kvm, cpu } = context;
  yield* playRounds(context, options, {
    *shrink() {
      yield* mmuShrinkScan(kvm, cpu, 1 + cpu.workload.below(LARGEST_SCAN));
    },
    *setLimit() {
      yield* setNrMmuPages(kvm, cpu, drawLimit(kvm, cpu));
    },
  });
}

/** Anything from what one fault of each root needs up to the limit the machine started with. */
function drawLimit(kvm: Kvm, cpu: Cpu): number {
  const { config } = kvm;
  const most = config.nrMmuPages > 0 ? config.nrMmuPages : defaultMmuPages(config.slots);
  const least = Math.min(most, config.roots.length * config.rootLevel + KVM_MIN_FREE_MMU_PAGES);
  return least + cpu.workload.below(most - least + 1);
}
