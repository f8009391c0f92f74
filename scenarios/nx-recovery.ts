/**
 * The NX recovery worker gives pages back their size while the split takes it away.
 *
 * With the iTLB multihit mitigation an executed page is mapped by a 4 KiB table. Now and then a worker zaps some of these
 * tables so that a data page becomes huge again. Eager splitting and recovery pull in opposite directions: tables that the
 * split has just linked may be zapped, parentless tables keep rmap entries, and each zap has to be flushed before
 * mmu_lock is dropped, a yield in the middle included (B-22, B-54). L1 fetches too, so that tables of the TDP MMU are on the
 * worker's list beside those of the shadow MMU; a second slot is not logged, so pages there go on being split for NX.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'nx-recovery',
  summary: 'with nx_huge_pages on, the recovery worker zaps tables while others are being split',
  about:
    'L2 executes here and writes there; two aliases of each page differ in what was executed. The worker recovers one of ' +
    '`nxRecoveryRatio` tables each time it wakes up.',
  facts: ['A20', '2.4', 'B-22', 'B-54', 'B-59', 'C3'],
  defaults: { memory: '256M', backing: '2m', nx: true, execFraction: 0.2, nxRecoveryRatio: 4, l1Vcpus: 1 },
  explore: {
    memory: '32K',
    backing: '2m',
    nx: true,
    execFraction: 0.15,
    nxRecoveryRatio: 1,
    castRounds: 2,
    l1Vcpus: 1,
  },
  machine: (_p, { huge2, huge3, base, pages }) => {
    const second = Math.ceil((base + pages) / huge3) * huge3;
    return {
      roots: [
        {
          name: 'aliased',
          mappings: [
            { l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 },
            { l2Gfn: pages, l1Gfn: base, level: 2, count: pages / huge2 },
            { l2Gfn: 2 * pages, l1Gfn: second, level: 2, count: 2 },
          ],
        },
      ],
      populate: [
        { access: 'exec', l2Gfn: 1, count: pages / huge2, stride: huge2 },
        { access: 'write', l2Gfn: pages, count: pages / huge2 + 2, stride: huge2 },
      ],
      extraSlots: [{ pages: 2 * huge2 }],
      cast: [
        { kind: 'nx-recovery' },
        { kind: 'l1-vcpu', slots: [1, 2], rounds: 0, weights: { read: 1, write: 1, exec: 2 } },
      ],
    };
  },
});
