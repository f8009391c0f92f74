// What a check may conclude from a stopped world: the writes of L1 were not seen, but their vCPU stands in its SRCU section.
import { describe, expect, it } from 'vitest';
import { isGuestWriteInFlight } from '../../src/check/synced.ts';
import { VCPU } from '../../src/mmu/vcpu-words.ts';
import { Bench, identity, machineOf } from '../support/machines.ts';

describe('an emulated write of L1 in a stopped world', () => {
  const inFlight = (vcpu: number): boolean => {
    const { kvm } = new Bench(machineOf(identity(2), { backing: '2m', vcpus: 1, l1Vcpus: 1 }));
    if (vcpu >= 0) kvm.arena.put(kvm.vcpuWord(vcpu) + VCPU.srcu, 1);
    return isGuestWriteInFlight(kvm, kvm.guestTablesQ);
  };

  it('may be on its way while a vCPU of L1 is in the middle of an exit, and not otherwise', () => {
    expect([inFlight(1), inFlight(0), inFlight(-1)]).toEqual([true, false, false]);
  });
});
