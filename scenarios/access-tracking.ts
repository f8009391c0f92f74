/**
 * A host without A and D bits: aging takes permissions away instead of a bit, and faults give them back.
 *
 * An entry that is aged keeps R and X in saved bits and loses R, W and X (kernel-facts 2.6). For L1 the fast path undoes that
 * without mmu_lock; for L2 the slow path does. Huge entries in that state are split like any other, and every child must
 * carry the saved bits. W went without a flush, so "not writable" does not mean that no TLB has it (B-03, H-C).
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'access-tracking',
  summary:
    'no A/D bits: aged entries lose their permissions, the fast path and faults restore them during the split',
  about:
    'L1 and L2 use the same pages while the host ages them. Watch the fast page faults, which here undo access tracking, and ' +
    'the faults of L2, each of which takes mmu_lock.',
  facts: ['2.6', '2.7', '3.9', '5.3', 'A3', 'A12', 'B-03', 'H-C'],
  defaults: { memory: '128M', backing: '2m', vcpus: 2, l1Vcpus: 2, hostAdBits: false },
  explore: { memory: '32K', backing: '2m', vcpus: 1, l1Vcpus: 1, hostAdBits: false, castRounds: 4 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate: 'all',
    cast: [{ kind: 'page-aging' }, { kind: 'l1-vcpu', rounds: 0, weights: { read: 2, write: 3, exec: 1 } }],
  }),
});
