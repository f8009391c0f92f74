/** A machine and one family of step checks, for tests that tell the family what happens. */
import type { StepCheckFamily } from '../../src/check/types.ts';
import { type Kvm } from '../../src/mmu/kvm.ts';
import nestedMigration from '../../scenarios/nested-migration.ts';
import { runtimeOf } from './judged-run.ts';

/** A booted machine and one family that watches what the test tells it. */
export function scene(family: StepCheckFamily, parameters: Record<string, unknown> = {}) {
  const runtime = runtimeOf(nestedMigration, { stateChecks: [], stepChecks: [], parameters });
  const found: string[] = [];
  const { kvm, cpus } = runtime;
  const check = family.make(kvm, (_cpu, id) => found.push(id));
  check.begin(kvm);
  const taken = (): string[] => found.splice(0);
  return { kvm, cpu: cpus[1]!, check, taken };
}

/** A huge leaf of the logged slot. */
export function hugeLeaf(kvm: Kvm): number {
  const slot = kvm.slots[1]!;
  for (let level = 2; level <= 3; level++) {
    const head = kvm.w[slot.rmapWord(slot.baseGfn, level)]!;
    if (head !== 0) return head >>> 1;
  }
  throw new Error('no huge page at the start of the slot');
}
