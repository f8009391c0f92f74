import { describe, expect, it } from 'vitest';
import { Op } from '../../src/cpu/steps.ts';
import { srcuReadLock, srcuReadUnlock, synchronizeSrcu, Vcpu } from '../../src/mmu/vcpu.ts';
import { VCPU } from '../../src/mmu/vcpu-words.ts';
import type { Kvm } from '../../src/mmu/kvm.ts';
import { Bench, identity, machineOf } from '../support/machines.ts';
import { Stage, twice, type Body } from '../support/programs.ts';

const booted = (): Kvm => new Bench(machineOf(identity(2, []))).kvm;

const section = (kvm: Kvm, index: number, times = 1): Body =>
  function* (cpu) {
    const vcpu = new Vcpu(kvm, cpu, index);
    for (let i = 0; i < times; i++) {
      yield* srcuReadLock(vcpu);
      yield cpu.at(Op.Load, kvm.layout.memory);
      cpu.load(kvm.layout.memory);
      yield* srcuReadUnlock(vcpu);
    }
  };

const odd = (kvm: Kvm, vcpu: number): boolean => (kvm.w[kvm.vcpuWord(vcpu) + VCPU.srcu]! & 1) === 1;

describe('synchronize_srcu', () => {
  it('waits for the sections that are open, and not for the vCPUs that are outside', () => {
    twice(() => {
      const kvm = booted();
      const stage = new Stage(kvm.arena, [
        (cpu) => synchronizeSrcu(kvm, cpu),
        section(kvm, 0),
        section(kvm, 1),
      ]);
      stage.runUntil(2, () => odd(kvm, 1));
      stage.runUntilBlocked(0);
      expect(stage.cpus[0]!.pendingWord).toBe(kvm.vcpuWord(1) + VCPU.srcu);
      stage.finish(2);
      stage.finish(0);
      stage.finish(1);
      return { stage, result: undefined };
    });
  });

  it('does not wait for a section that was opened after the old one ended', () => {
    twice(() => {
      const kvm = booted();
      const stage = new Stage(kvm.arena, [(cpu) => synchronizeSrcu(kvm, cpu), section(kvm, 0, 2)]);
      stage.runUntil(1, () => odd(kvm, 0));
      stage.runUntilBlocked(0);
      stage.runUntil(1, () => !odd(kvm, 0));
      stage.runUntil(1, () => odd(kvm, 0));
      stage.finish(0);
      expect(odd(kvm, 0)).toBe(true);
      stage.finish(1);
      return { stage, result: undefined };
    });
  });

  it('returns at once if nobody reads', () => {
    const bench = new Bench(machineOf(identity(2, [])));
    bench.run(synchronizeSrcu(bench.kvm, bench.cpu));
    expect(bench.cpu.now()).toBe(bench.kvm.config.vcpus);
  });
});
