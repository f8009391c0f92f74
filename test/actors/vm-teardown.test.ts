// kernel-facts A28: the VM's process exits, and nothing may be left of what KVM made for it (Q53).
import { describe, expect, it } from 'vitest';
import { vmTeardown } from '../../src/actors/vm-teardown.ts';
import type { CastOptions } from '../../src/actors/context.ts';
import { enableDirtyLogging } from '../../src/mmu/dirty-log.ts';
import { KVM } from '../../src/mmu/kvm.ts';
import { rcuDrain } from '../../src/mmu/tdp/rcu.ts';
import { tdpRoots } from '../../src/mmu/tdp/roots.ts';
import { activePages, Bench, identity, machineOf, type Given } from '../support/machines.ts';

const OPTIONS: CastOptions = {
  index: 0,
  slots: [1],
  rounds: 0,
  weights: { destroy: 1 },
  swarm: 0,
  ranges: [],
};

/** A machine whose migration is over: everything mapped, split and logged. */
function finished(given: Given = {}): Bench {
  const bench = new Bench(machineOf(identity(2), { backing: '2m', l1Vcpus: 1, ...given }));
  const { kvm, cpu } = bench;
  bench.run(enableDirtyLogging(kvm, cpu, bench.slot));
  kvm.put(KVM.finished, 1);
  return bench;
}

describe('the end of a VM', () => {
  it.each([{}, { reschedRate: 1, eager: false }, { tdpMmu: false, eager: false }, { nx: true }])(
    'leaves no page, no leaf, no root and no table, with %j',
    (given) => {
      const bench = finished(given);
      const { kvm, cpu } = bench;
      expect(activePages(kvm).length).toBeGreaterThan(1);
      bench.run(vmTeardown({ kvm, cpu }, OPTIONS));
      bench.run(rcuDrain(kvm, cpu));
      expect(bench.seen.broke).toEqual([]);
      expect(activePages(kvm)).toEqual([]);
      expect([tdpRoots(kvm), kvm.get(KVM.nUsed), kvm.get(KVM.rcuPending)]).toEqual([[], 0, 0]);
      expect([0, 1, 2].map((level) => kvm.get(KVM.pages + level))).toEqual([0, 0, 0]);
      expect(bench.counter('teardowns')).toBe(1);
    },
  );

  it('reports what was forgotten (Q53)', () => {
    const bench = finished();
    const { kvm, cpu } = bench;
    kvm.put(KVM.nUsed, kvm.get(KVM.nUsed) + 1);
    bench.run(vmTeardown({ kvm, cpu }, OPTIONS));
    expect(bench.seen.broke.map(({ id, text }) => `${id} ${text}`)).toEqual([
      'Q53 the VM is gone, and 1 shadow pages are left',
    ]);
  });

  it('does not come if its move has no weight, or the swarm leaves it out', () => {
    for (const options of [{ weights: {} }, { swarm: 1 }]) {
      const bench = finished();
      const pages = activePages(bench.kvm).length;
      bench.run(vmTeardown({ kvm: bench.kvm, cpu: bench.cpu }, { ...OPTIONS, ...options }));
      expect([activePages(bench.kvm).length, bench.counter('teardowns')]).toEqual([pages, 0]);
    }
  });
});
