/** Schedules of the controlled runtime, without checks, and the share that the reset between them has. */
import type { ThreadTask } from '../thread.ts';
import type { Batch } from '../thread-main.ts';
import { importFrom } from '../tree.ts';

const MASTER = 0x5eed;

async function open(task: Extract<ThreadTask, { kind: 'controlled' | 'reset' }>) {
  const { root, machine, layout } = task;
  const { ControlledRuntime } = await importFrom(root, 'runtime/controlled.ts');
  const { RandomWalk } = await importFrom(root, 'explore/strategies/random-walk.ts');
  const { P1_ENGINE } = await importFrom(root, 'mmu/default-engine.ts');
  const { Observer } = await importFrom(root, 'mmu/observer.ts');
  const runtime = new ControlledRuntime({
    machine,
    layout,
    engine: P1_ENGINE,
    judge: { observer: () => new Observer(), begin: () => {}, atEnd: () => {} },
  });
  return { runtime, scheduler: new RandomWalk(MASTER) };
}

/** A batch is 100 schedules; units are visible operations. */
export const SCHEDULES_PER_BATCH = 100;

export async function controlledBatch(task: Extract<ThreadTask, { kind: 'controlled' }>): Promise<Batch> {
  const { runtime, scheduler } = await open(task);
  let schedule = 0;
  return (batches) => {
    let units = 0;
    const t0 = process.hrtime.bigint();
    for (let i = 0; i < batches * SCHEDULES_PER_BATCH; i++) {
      const result = runtime.run(scheduler, MASTER, schedule++);
      if (result.violations.length > 0)
        throw new Error(`schedule ${result.schedule}: ${result.violations[0]!.text}`);
      units += result.steps;
    }
    return { ns: Number(process.hrtime.bigint() - t0), units };
  };
}

/** The reset alone: each after a schedule that is not timed. A unit is one reset. */
export async function resetBatch(task: Extract<ThreadTask, { kind: 'reset' }>): Promise<Batch> {
  const { runtime, scheduler } = await open(task);
  const { arena } = runtime.kvm;
  let schedule = 0;
  return (batches) => {
    let ns = 0;
    for (let i = 0; i < batches * SCHEDULES_PER_BATCH; i++) {
      runtime.run(scheduler, MASTER, schedule++);
      const t0 = process.hrtime.bigint();
      arena.reset();
      const t1 = process.hrtime.bigint();
      // A reset costs little more than reading the clock, so the clock's own cost is taken off.
      ns += Number(t1 - t0) - Number(process.hrtime.bigint() - t1);
    }
    return { ns, units: batches * SCHEDULES_PER_BATCH };
  };
}
