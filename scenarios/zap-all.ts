/**
 * KVM throws its translations away for reasons of its own: a change of nx_huge_pages, a memory type, a wrap of the MMIO
 * generation, a vCPU whose MMU is reset.
 *
 * kvm_mmu_zap_all_fast() toggles the generation and gives mmu_lock up between batches; from then on every page of the old
 * generation is obsolete, though vCPUs may still run on it until they have reloaded. The split works on whatever rmaps hold.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'zap-all',
  summary: 'all shadow pages become obsolete, or a range is zapped, again and again during the split',
  about:
    'kvm_mmu_zap_all_fast(), kvm_zap_gfn_range() over the migrated slot, and resets of single vCPUs. Faults build tables of ' +
    'the new generation while the old ones are zapped in batches.',
  facts: ['A19', 'A24', 'A25', 'A27', 'B-38', 'B-40'],
  defaults: { memory: '256M', backing: '2m', psc: 8 },
  explore: { memory: '32K', backing: '2m', castRounds: 3, psc: 2 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate: 'all',
    cast: [
      { kind: 'zap-all', weights: { zapAllFast: 1, zapGfnRange: 1, mmioWrap: 1, unload: 4 } },
      { kind: 'vm-teardown' },
    ],
  }),
});
