// Names of words: what traces, deadlock reports and explanations show.
import { describe, expect, it } from 'vitest';
import { RING_ENTRY_WORDS, PSC_ENTRY_WORDS } from '../../src/arena/layout.ts';
import { briefWord, describeWord } from '../../src/mmu/describe.ts';
import { KVM } from '../../src/mmu/kvm.ts';
import { sptepOf } from '../../src/mmu/shadow-page.ts';
import { VCPU } from '../../src/mmu/vcpu-words.ts';
import { buildMachine } from '../../src/scenario/build.ts';
import { defineScenario } from '../../src/scenario/define.ts';
import { Bench, identity, machineOf } from '../support/machines.ts';

/** A machine with every region there is. */
function everything(): Bench {
  const machine = machineOf(identity(2), { backing: '2m', vcpus: 2, pml: 4, dirtyRing: 16, psc: 2 });
  const config = { ...machine.config, hostMap: true, spareFrames: 4 };
  const extras = { ...machine.dims.extras!, hostMap: true, spareFrames: 4 };
  return new Bench({ ...machine, config, dims: { ...machine.dims, extras, pfns: machine.dims.pfns + 4 } });
}

describe('a word', () => {
  const { kvm, slot } = everything();
  const { layout } = kvm;
  const s = slot.layout;

  it.each<[number, string]>([
    [layout.kvm + KVM.mmuCnts, 'mmu_lock.cnts'],
    [layout.kvm + KVM.activeInvalidates, 'mn_active_invalidate_count'],
    [layout.kvm + KVM.tdpPagesLock, 'tdp_mmu_pages_lock'],
    [layout.kvm + KVM.rcuEpoch, 'RCU epoch'],
    [layout.kvm + KVM.pages + 2, 'kvm pages'],
    [kvm.vcpuWord(1) + VCPU.mode, 'vCPU 1 mode'],
    [kvm.vcpuWord(0) + VCPU.pmlIndex, 'vCPU 0 pmlIndex'],
    [kvm.vcpuWord(0) + VCPU.roots + 3, 'vCPU 0 roots'],
    [layout.rcu + 1, 'RCU of actor 1'],
    [layout.pml + 4 + 3, 'PML of vCPU 1 [3]'],
    [layout.rings + 16 * RING_ENTRY_WORDS + 2 * RING_ENTRY_WORDS, 'dirty ring of vCPU 1 [2]'],
    [layout.rings + 5 * RING_ENTRY_WORDS + 1, 'dirty ring of vCPU 0 [5] offset'],
    [layout.psc + 3 * PSC_ENTRY_WORDS + 4, 'PSC of vCPU 1 [1]'],
    [layout.frames + 2, 'free host frames [2]'],
    [s.flags, 'slot 1 flags'],
    [s.flags + 1, 'slot 1 log state'],
    [s.hostMap + 2, 'host mapping of gfn 0x22'],
    [s.hostBroken[2] + 1, 'host page L2 [1] of slot 1'],
    [s.lpageInfo[2] + 3, 'lpage_info L2 [3] of slot 1'],
    [s.rmap[2] + 3, 'rmap head L2 [3] of slot 1'],
    [s.dirtyBitmap, 'slot 1 dirty bitmap [0]'],
    [s.userBitmap + 1, 'slot 1 user bitmap [1]'],
    [s.writeTrack, 'write tracking of gfn 0x20'],
    [s.destination + 15, 'destination of gfn 0x2f'],
    [layout.memory + 0x21, 'page 0x21'],
    [layout.guestTables + 2 * 5, "L1's table 1 [1]"],
  ])('%d is %s', (word, name) => {
    expect(describeWord(kvm, word)).toBe(name);
  });

  it('of every region that actors share has a name of its own', () => {
    const regions = [
      layout.kvm,
      layout.vcpus,
      layout.rcu,
      layout.pml,
      layout.rings,
      layout.psc,
      layout.frames,
    ];
    const names = regions.map((word) => describeWord(kvm, word));
    expect(new Set(names).size).toBe(regions.length);
    expect(names.filter((name) => name.startsWith('word'))).toEqual([]);
  });

  it('is brief in the columns of a trace', () => {
    expect(briefWord(kvm, kvm.mmuLock.cnts)).toBe('mmu_lock');
    const root = kvm.w[kvm.vcpuWord(0) + VCPU.roots]!;
    expect(briefWord(kvm, sptepOf(kvm, root, 1) * 2)).toBe('L3[1]@0x8');
  });
});

describe('a machine without the extras', () => {
  it('has no words of theirs', () => {
    const scenario = defineScenario({
      name: 'plain',
      summary: 's',
      about: '',
      facts: [],
      machine: (_p, units) => identity(2)(units),
    });
    const { kvm } = new Bench(buildMachine(scenario, 'explore', { backing: '2m' }));
    for (let word = kvm.layout.kvm; word < kvm.layout.words; word++) {
      expect(describeWord(kvm, word)).not.toMatch(/PML|ring of|PSC|host (?:map|page|frame)/);
    }
  });
});
