/** An uncontended acquire and release, through the generators of src/locks, beside a bare pair of atomics. */
import type { Steps } from '../../src/cpu/steps.ts';
import type { ThreadTask } from '../thread.ts';
import type { Batch } from '../thread-main.ts';
import { importFrom } from '../tree.ts';

const PAIRS_PER_BATCH = 1000;

export async function lockBatch(task: Extract<ThreadTask, { kind: 'lock' }>): Promise<Batch> {
  const { root } = task;
  const rwlock = await importFrom(root, 'locks/qrwlock.ts');
  const mutex = await importFrom(root, 'locks/mutex.ts');
  const { AtomicCpu } = await importFrom(root, 'cpu/atomic-cpu.ts');
  const w = new Int32Array(new SharedArrayBuffer(256));
  const arena = { w, q: new BigInt64Array(w.buffer) } as unknown as ConstructorParameters<
    typeof AtomicCpu
  >[0];
  const cpu = new AtomicCpu(arena, {
    actor: 0,
    name: 'locker',
    cls: 'other',
    control: 32,
    row: 40,
    clock: () => 0,
    spins: 0,
    sharesCores: false,
  });
  const run = (steps: Steps<void>): void => void steps.next();
  const lock = { cnts: 0, waitLock: 1, owner: 2 };
  const slots = { state: 3, owner: 4 };
  const pair = {
    'qrwlock-write': () => {
      run(rwlock.writeLock(cpu, lock));
      run(rwlock.writeUnlock(cpu, lock));
    },
    'qrwlock-read': () => {
      run(rwlock.readLock(cpu, lock));
      run(rwlock.readUnlock(cpu, lock));
    },
    mutex: () => {
      run(mutex.mutexLock(cpu, slots));
      run(mutex.mutexUnlock(cpu, slots));
    },
    'cas-pair': () => {
      Atomics.compareExchange(w, 0, 0, 1);
      Atomics.compareExchange(w, 0, 1, 0);
    },
  }[task.what];
  return (batches) => {
    const t0 = process.hrtime.bigint();
    for (let i = 0; i < batches * PAIRS_PER_BATCH; i++) pair();
    return { ns: Number(process.hrtime.bigint() - t0), units: batches * PAIRS_PER_BATCH };
  };
}
