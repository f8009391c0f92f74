/**
 * Swarm testing (Groce et al., "Swarm Testing", ISSTA 2012): what is left out makes room for what a crowd would hide.
 *
 * With `swarm` above 0 a schedule goes without some actors, without some moves of the others, and with other weights of the
 * moves that are left, all drawn from the actor's workload stream, which is seeded per schedule.
 */
import type { Rng } from '../cpu/random.ts';

/** Weights under swarm testing are drawn from a quarter of the given one to four times it, in steps of a factor of two. */
const FACTORS = [0.25, 0.5, 1, 2, 4] as const;

export interface Weighted {
  readonly name: string;
  readonly weight: number;
}

/**
 * The moves that an actor makes in this schedule; none if it stays away.
 * @param swarm chance that the actor stays away, and that each of its moves does
 */
export function movesOfSchedule(
  rng: Rng,
  names: readonly string[],
  weights: Readonly<Record<string, number>>,
  swarm: number,
): Weighted[] {
  if (swarm > 0 && rng.chance(swarm)) return [];
  const moves: Weighted[] = [];
  for (const name of names) {
    const weight = weights[name] ?? 0;
    if (weight <= 0) continue;
    if (swarm === 0) moves.push({ name, weight });
    else if (!rng.chance(swarm)) moves.push({ name, weight: weight * FACTORS[rng.below(FACTORS.length)]! });
  }
  return moves;
}

/** One of them by weight. There must be one. */
export function drawMove(rng: Rng, moves: readonly Weighted[]): string {
  let total = 0;
  for (const { weight } of moves) total += weight;
  let at = (rng.next() / 4294967296) * total;
  for (const { name, weight } of moves) {
    at -= weight;
    if (at < 0) return name;
  }
  return moves[moves.length - 1]!.name;
}
