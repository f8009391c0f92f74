/**
 * Dirty rings instead of a bitmap.
 *
 * A vCPU pushes each page it dirties into its ring and leaves KVM_RUN when the ring is nearly full; user space harvests and
 * resets. KVM_RESET_DIRTY_RINGS write-protects word by word under mmu_lock and splits what is still huge below (E3). With
 * small rings nearly every stay in guest mode ends in user space.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'dirty-ring',
  summary: 'a dirty ring per vCPU: exits when it is full, harvests, and resets that write-protect again',
  about:
    'The migration harvests rings instead of a bitmap. Every reset takes W away from what was harvested and flushes once; ' +
    'an entry that is reset too early or twice loses a write.',
  facts: ['A15', '3.1 E3', 'D11', '7.1'],
  defaults: { memory: '256M', backing: '2m', dirtyRing: 1024 },
  explore: { memory: '32K', backing: '2m', dirtyRing: 8, rounds: 2 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate: 'all',
  }),
});
