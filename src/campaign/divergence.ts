/** What two runs of one schedule differ in, in words. */
import { OP_NAMES } from '../cpu/steps.ts';
import type { Divergence, Operation } from '../explore/twice.ts';
import { briefWord } from '../mmu/describe.ts';
import type { Kvm } from '../mmu/kvm.ts';

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** One line that names the first differing step (numbered as in traces, from 1), its actors and both operations. */
export function describeDivergence(
  { schedule, step, first, second, results }: Divergence,
  actorName: (actor: number) => string,
  kvm: Kvm,
): string {
  const told = ({ actor, op, word, lo, hi }: Operation): string =>
    `${actorName(actor)} ${OP_NAMES[op]} ${briefWord(kvm, word)} (${hex(lo)}, ${hex(hi)})`;
  const end = (run: 0 | 1): string => `its end after ${results[run].steps} steps`;
  if (step >= 0) {
    const once = first === undefined ? end(0) : told(first);
    const again = second === undefined ? end(1) : told(second);
    return `schedule ${schedule}, step ${step + 1}: ${once} the first time, ${again} the second`;
  }
  const verdict = (run: 0 | 1): string =>
    `${results[run].violations[0]?.id ?? 'no violation'} with trace ${results[run].hash} of ${results[run].steps} steps`;
  return `schedule ${schedule}: ${verdict(0)} the first time, ${verdict(1)} the second, and no operation that was kept differs`;
}
