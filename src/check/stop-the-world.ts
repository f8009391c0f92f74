/** The state checks on a stopped world: what the parallel coordinator runs while every worker stands at a safepoint. */
import type { Kvm } from '../mmu/kvm.ts';
import type { Violation } from '../runtime/outcome.ts';
import { CheckRunner } from './run-checks.ts';
import type { StateCheck } from './types.ts';

/** At most MAX_REPORTS_PER_ID violations of each id. Nobody may be running, and nobody may hold mmu_lock. */
export function checkWorld(kvm: Kvm, checks: readonly StateCheck[]): Violation[] {
  const violations: Violation[] = [];
  const runner = new CheckRunner((id, text, words) => {
    violations.push({ id, text, words: words ?? [], actor: -1, actorName: 'stopped world', step: -1 });
  });
  runner.run(kvm, checks);
  return violations;
}
