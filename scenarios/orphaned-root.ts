/**
 * A root in use loses its only parent while its vCPU faults, and the split comes before the vCPU has noticed.
 *
 * L1 runs L2 on tables of three levels that are part of its tables of five. Between them stands a table that no vCPU runs on, so
 * that reclaim may take it at any time; the limit of shadow pages is so tight that each fault reclaims. In kernels that zap the
 * orphan with it, root or not (B-48), and go on with the fault (B-44), the huge page of that fault comes to hang below a page
 * that is on its way out (B-47), from the end of the fault up to the next entry into the guest. The split must pass over it.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'orphaned-root',
  summary: 'reclaim takes the only parent of a root that is in use, and the log is turned on',
  about:
    'One vCPU runs on the inner of two roots, five levels and three, with a table between them that reclaim takes. Its faults ' +
    'make room for themselves; the migration turns logging on and splits meanwhile.',
  facts: ['A21', 'B-44', 'B-47', 'B-48', 'D17', 'D23', 'Q15', 'Q16'],
  defaults: { memory: '64M', backing: '2m', vcpus: 2, rootSwitchRate: 0.05, mmuPages: 40 },
  explore: { memory: '32K', backing: '2m', vcpus: 2, rootSwitchRate: 1, mmuPages: 14, rounds: 0, ops: 4 },
  machine: (_p, { huge2, huge3, base, pages }) => {
    const reach = Math.ceil(pages / huge3) * huge3;
    // Pages enough to come near the limit.
    const small = [0, 1, 2].map((k) => ({
      l2Gfn: reach + k * huge3,
      l1Gfn: base,
      level: 1 as const,
      count: Math.min(huge2, pages),
    }));
    const mappings = [{ l2Gfn: 0, l1Gfn: base, level: 2 as const, count: pages / huge2 }, ...small];
    return {
      roots: [
        { name: 'outer', level: 5, mappings },
        { name: 'inner', level: 3, within: { root: 0, l2Gfn: 0 }, mappings },
      ],
      // Most huge pages are left to the faults.
      populate: [
        ...small.map(({ l2Gfn }) => ({ root: 0, access: 'read' as const, l2Gfn })),
        { root: 1, access: 'write', l2Gfn: 0, count: Math.ceil(pages / huge2 / 8), stride: huge2 },
      ],
    };
  },
});
