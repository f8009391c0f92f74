/** The loop of a member of the cast: one move per round until its rounds are made or the migration is over. */
import type { Cpu } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import type { ActorContext, CastOptions } from './context.ts';

/** Moves by name, in a fixed order. */
export type Moves = Readonly<Record<string, () => Steps<void>>>;

/** True once the migration is over. */
export function* migrationOver(kvm: Kvm, cpu: Cpu): Steps<boolean> {
  const word = kvm.base + KVM.finished;
  if (cpu.stepped) yield cpu.at(Op.Load, word);
  return cpu.load(word) !== 0;
}

/**
 * Makes moves by weight. With `swarm` above 0 some schedules go without this actor, or without some of its moves: what is
 * left out makes room for what a crowd would hide (Groce et al., "Swarm Testing", ISSTA 2012).
 */
export function* playRounds(context: ActorContext, options: CastOptions, moves: Moves): Steps<void> {
  const { kvm, cpu } = context;
  const rng = cpu.workload;
  if (options.swarm > 0 && rng.chance(options.swarm)) return;
  const names = Object.keys(moves).filter((name) => {
    const weight = options.weights[name] ?? 0;
    return weight > 0 && !(options.swarm > 0 && rng.chance(options.swarm));
  });
  const total = names.reduce((sum, name) => sum + options.weights[name]!, 0);
  if (total === 0) return;
  for (let round = 0; options.rounds === 0 || round < options.rounds; round++) {
    cpu.safepoint();
    if (yield* migrationOver(kvm, cpu)) return;
    let at = (rng.next() / 4294967296) * total;
    let name = names[0]!;
    for (const candidate of names) {
      name = candidate;
      at -= options.weights[candidate]!;
      if (at < 0) break;
    }
    yield* moves[name]!();
    // Where threads share cores, whoever waited gets a chance before the next round.
    cpu.relax(kvm.base + KVM.finished);
  }
}
