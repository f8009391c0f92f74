/** The machines that the benchmarks run on. */
import { Arena } from '../src/arena/arena.ts';
import { computeLayout, type Layout } from '../src/arena/layout.ts';
import { P1_ENGINE } from '../src/mmu/default-engine.ts';
import { buildMachine, type Machine } from '../src/scenario/build.ts';
import { defineScenario } from '../src/scenario/define.ts';
import { bootMachine } from '../src/scenario/start.ts';

/** L2's memory one to one on pages of the backing, every page touched: nothing but huge SPTEs. */
const huge = defineScenario({
  name: 'bench-huge',
  summary: 'all of the memory mapped by huge SPTEs',
  about: 'What a split pass works on.',
  facts: [],
  machine: (p, { huge2, huge3, base, pages }) => {
    const level = p.backing === '1g' ? 3 : 2;
    return {
      roots: [
        {
          name: 'L2',
          mappings: [{ l2Gfn: base, l1Gfn: base, level, count: pages / (level === 3 ? huge3 : huge2) }],
        },
      ],
      populate: 'all',
      migration: false,
    };
  },
});

/** One table of four pages and one vCPU: a schedule has about 100 visible operations. */
const small = defineScenario({
  name: 'bench-small',
  summary: 'live migration of four pages',
  about: 'The smallest migration: one huge page of four, one vCPU that runs until it is over.',
  facts: [],
  machine: (_, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate: 'all',
  }),
});

export interface BenchMachine {
  readonly machine: Machine;
  readonly layout: Layout;
}

export function hugeMachine(memory: string, backing: '2m' | '1g'): BenchMachine {
  const machine = buildMachine(huge, 'run', { memory, backing, vcpus: 1, reschedRate: 0 });
  return { machine, layout: computeLayout(machine.dims) };
}

/** A booted machine in shared memory. */
export function bootShared({ machine, layout }: BenchMachine): SharedArrayBuffer {
  const arena = Arena.shared(layout);
  bootMachine(machine, arena, P1_ENGINE);
  return arena.buffer as SharedArrayBuffer;
}

export function smallMachine(): BenchMachine {
  const machine = buildMachine(small, 'explore', {
    vcpus: 1,
    memory: '16K',
    backing: '2m',
    ops: 0,
    rounds: 0,
    reschedRate: 0,
    rootSwitchRate: 0,
  });
  return { machine, layout: computeLayout(machine.dims) };
}
