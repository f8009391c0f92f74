/** The NX recovery worker (kernel-facts A20, 2.4): wakes up now and then and gives huge pages another chance. */
import type { Steps } from '../cpu/steps.ts';
import { recoverNxHugePages } from '../mmu/nx.ts';
import type { CastMember } from './cast.ts';
import type { ActorContext, CastOptions } from './context.ts';
import { playRounds } from './rounds.ts';

export const NX_RECOVERY: CastMember = {
  summary: 'the NX recovery worker zaps part of the tables that only the iTLB multihit mitigation needs',
  facts: ['A20', 'B-22', 'B-54', 'B-59'],
  moves: { recover: 1 },
  run: nxRecovery,
};

export function* nxRecovery(context: ActorContext, options: CastOptions): Steps<void> {
  const { kvm, cpu } = context;
  yield* playRounds(context, options, {
    *recover() {
      yield* recoverNxHugePages(kvm, cpu);
    },
  });
}
