/** The loop of a member of the cast: one move per round until its rounds are made or the migration is over. */
import type { Cpu } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import type { ActorContext, CastOptions } from './context.ts';
import { drawMove, movesOfSchedule } from './swarm.ts';

/** Moves by name, in a fixed order. */
export type Moves = Readonly<Record<string, () => Steps<void>>>;

/** True once the migration is over. */
export function* migrationOver(kvm: Kvm, cpu: Cpu): Steps<boolean> {
  const word = kvm.base + KVM.finished;
  if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
  return cpu.load(word) !== 0;
}

/** Makes moves by weight; which ones this schedule has is src/actors/swarm.ts. */
export function* playRounds(context: ActorContext, options: CastOptions, moves: Moves): Steps<void> {
  const { kvm, cpu } = context;
  const chosen = movesOfSchedule(cpu.workload, Object.keys(moves), options.weights, options.swarm);
  if (chosen.length === 0) return;
  while (cpu.nextMove(options.rounds)) {
    cpu.safepoint();
    if (yield* migrationOver(kvm, cpu)) return;
    cpu.doing = drawMove(cpu.workload, chosen);
    yield* moves[cpu.doing]!();
    // Where threads share cores, whoever waited gets a chance before the next round.
    cpu.relax(kvm.base + KVM.finished);
  }
}
