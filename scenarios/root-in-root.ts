/**
 * L2 runs on a part of tables that L1 uses as a whole as well.
 *
 * L1 has nested tables of five levels, and runs L2 on them or, with four levels, on the table below their first entry. That
 * table has one shadow page: a root of its own, and a child of the other root. When the outer root is out of use, reclaim may
 * take it, and the inner one loses its only parent while vCPUs run on it. A fault that makes room for itself must look at its
 * root only then.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'root-in-root',
  summary: 'a nested root that is also a table of another one, under reclaim',
  about:
    'Two roots, five levels and four, that share all tables but the topmost. L1 edits them and invalidates one or the other ' +
    'with INVEPT; the limit of shadow pages is tight, so faults, the shrinker and the ioctl reclaim from the oldest end.',
  facts: ['A21', 'B-44', 'B-47', 'B-48', 'D17', 'Q15', 'Q16'],
  defaults: { memory: '128M', backing: '2m', vcpus: 2, l1Vcpus: 1, rootSwitchRate: 0.05, mmuPages: 120 },
  explore: { memory: '48K', backing: '2m', l1Vcpus: 1, rootSwitchRate: 0.1, mmuPages: 14, castRounds: 3 },
  machine: (_p, { huge2, base, pages }) => {
    const mappings = [
      { l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 },
      { l2Gfn: pages, l1Gfn: base, level: 2, count: pages / huge2, perm: 'rw' },
    ] as const;
    return {
      roots: [
        { name: 'outer', level: 5, mappings },
        { name: 'inner', level: 4, within: { root: 0, l2Gfn: 0 }, mappings },
      ],
      populate: 'all',
      cast: [{ kind: 'l1-vcpu' }, { kind: 'reclaim' }, { kind: 'log-toggle' }],
    };
  },
});
