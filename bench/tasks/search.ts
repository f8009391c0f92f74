/** Schedules by strategy, with and without coverage: of the small machine without checks, and of a toy of locks and atomics. */
import type { PlainCpu } from '../../src/cpu/plain-cpu.ts';
import { Op, type Steps } from '../../src/cpu/steps.ts';
import { ShardRunner } from '../../src/campaign/search/shard.ts';
import { ProgramRunner, type Program } from '../../src/explore/program.ts';
import { Schedules } from '../../src/explore/scheduler-of.ts';
import { parseStrategy } from '../../src/explore/strategies/index.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { Observer } from '../../src/mmu/observer.ts';
import { ControlledRuntime } from '../../src/runtime/controlled.ts';
import type { ThreadTask } from '../thread.ts';
import type { Batch } from '../thread-main.ts';

const MASTER = 0x5eed;
const SCHEDULES_PER_BATCH = 100;

type Task<K> = Extract<ThreadTask, { kind: K }>;

/** Runs schedules one after the other; units are visible operations. */
function batches(run: (schedule: number) => number): Batch {
  let schedule = 0;
  return (count) => {
    let units = 0;
    const t0 = process.hrtime.bigint();
    for (let i = 0; i < count * SCHEDULES_PER_BATCH; i++) units += run(schedule++);
    return { ns: Number(process.hrtime.bigint() - t0), units };
  };
}

export function searchBatch({ machine, layout, strategy, coverage }: Task<'search'>): Batch {
  const runtime = new ControlledRuntime({
    machine,
    layout,
    engine: P1_ENGINE,
    judge: { observer: () => new Observer(), begin: () => {}, atEnd: () => {} },
  });
  const runner = new ShardRunner(runtime, MASTER, parseStrategy(strategy), coverage);
  return batches((schedule) => runtime.run(runner.schedules.of(schedule), MASTER, schedule).steps);
}

/** Four actors that each take a lock, add to a counter under it, and count on their own, ten times: as on explorers elsewhere. */
const toy: Program = {
  name: 'toy',
  words: 16,
  actors: Array.from(
    { length: 4 },
    (_, actor) =>
      function* (cpu: PlainCpu, base: number): Steps<void> {
        const own = base + 4 + 2 * actor;
        for (let i = 0; i < 10; i++) {
          for (;;) {
            if (cpu.stops(Op.CompareExchange, base)) yield;
            if (cpu.compareExchange(base, 0, 1) === 0) break;
            if (cpu.stops(Op.Wait, base, 1)) yield;
            cpu.wait(base, 1);
          }
          if (cpu.stops(Op.Load, base + 2)) yield;
          const value = cpu.load(base + 2);
          if (cpu.stops(Op.Store, base + 2)) yield;
          cpu.store(base + 2, value + 1);
          if (cpu.stops(Op.Store, base)) yield;
          cpu.store(base, 0);
          if (cpu.stops(Op.Add, own)) yield;
          cpu.add(own, 1);
        }
      },
  ),
};

export function toyBatch({ strategy }: Task<'toy'>): Batch {
  const runner = new ProgramRunner(toy);
  const schedules = new Schedules(runner, MASTER, parseStrategy(strategy));
  return batches((schedule) => runner.run(schedules.of(schedule), MASTER, schedule).steps);
}
