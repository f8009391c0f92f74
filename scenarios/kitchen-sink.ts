/**
 * Everything at once, and in each schedule something is missing.
 *
 * All members of the cast act on one machine with both MMUs, aliases, two sizes of pages and faults of the environment. A
 * crowd hides bugs as well as it finds them, so `swarm` sends some of the actors and some of their moves home, by the seed
 * of each schedule (swarm testing). What is found here is best shrunk: few of the actors are usually to blame.
 */
import { defineScenario } from '../src/scenario/define.ts';

/** Moves of L1. Most change what a table is to KVM: its place, its kind, or what the way to it permits. */
const EDITS = {
  read: 2,
  write: 2,
  exec: 1,
  map: 2,
  unmap: 1,
  remap: 2,
  alias: 2,
  protect: 3,
  partial: 1,
  tableExec: 2,
  executeOnly: 1,
  hugeToTable: 2,
  tableToHuge: 2,
  unmapTable: 1,
  scatter: 1,
  reuse: 1,
};

export default defineScenario({
  name: 'kitchen-sink',
  summary: 'the whole cast against the split, with moves left out at random in every schedule',
  about:
    'L1 edits its tables, the host moves and ages pages, tables are recovered, reclaimed and zapped, a memslot comes and ' +
    'goes, logging goes off and on, allocations fail, vCPUs dawdle. Each actor and each move stays away with a chance of ' +
    '`swarm`.',
  facts: ['5.1', '5.2', '5.4', '5.6', '7.4'],
  defaults: {
    memory: '128M',
    backing: '2m',
    vcpus: 2,
    l1Vcpus: 1,
    rounds: 20,
    castRounds: 60,
    nx: true,
    execFraction: 0.1,
    nxRecoveryRatio: 4,
    swarm: 0.3,
    enomemRate: 0.0005,
    slowAckRate: 0.01,
    spuriousFaultRate: 0.0005,
    allocFailRate: 0.001,
    psc: 16,
    longExitRate: 0.01,
  },
  explore: {
    memory: '48K',
    backing: '2m',
    l1Vcpus: 1,
    nx: true,
    execFraction: 0.2,
    nxRecoveryRatio: 1,
    swarm: 0.5,
    ops: 32,
    castRounds: 2,
    enomemRate: 0.01,
    slowAckRate: 0.05,
    spuriousFaultRate: 0.02,
    allocFailRate: 0.05,
    psc: 4,
    longExitRate: 0.05,
  },
  machine: (p, { huge2, huge3, base, pages }) => {
    const second = Math.ceil((base + pages) / huge3) * huge3;
    return {
      roots: [
        {
          name: 'L2',
          mappings: [
            { l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 },
            { l2Gfn: pages, l1Gfn: base, level: 2, count: pages / huge2 },
            { l2Gfn: 2 * pages, l1Gfn: second, level: 2, count: 1 },
          ],
        },
      ],
      // L1's tables are memory that it maps for L2 too, and a table may begin where a huge page did (B-51).
      tables: 'migrated-slot',
      spareTables: Math.min(huge2, 8),
      populate: 'all',
      extraSlots: [{ pages: huge2 }],
      cast: [
        { kind: 'l1-vcpu', rounds: 4 * p.castRounds, weights: EDITS },
        { kind: 'mmu-notifier' },
        { kind: 'page-aging' },
        { kind: 'nx-recovery' },
        { kind: 'reclaim' },
        { kind: 'memslots', slots: [2] },
        { kind: 'zap-all' },
        { kind: 'log-toggle' },
        { kind: 'vm-teardown' },
      ],
    };
  },
});
