/** One family of step checks on a booted machine, told by the test what happens. */
import type { StepCheckFamily } from '../../src/check/types.ts';
import type { Kvm } from '../../src/mmu/kvm.ts';
import type { Scenario } from '../../src/scenario/define.ts';
import { runtimeOf } from './judged-run.ts';

export function sceneOf(
  family: StepCheckFamily,
  scenario: Scenario,
  parameters: Record<string, unknown> = {},
) {
  const runtime = runtimeOf(scenario, { stateChecks: [], stepChecks: [], parameters });
  const found: string[] = [];
  const { kvm, cpus } = runtime;
  const check = family.make(kvm, (_cpu, id) => found.push(id));
  check.begin(kvm);
  return { kvm, cpu: cpus[1]!, check, taken: (): string[] => found.splice(0) };
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
