/**
 * Splits by the engine's own code, on a machine that the main thread booted with huge SPTEs.
 *
 * A batch splits every huge page of slot 1. Afterwards the words that a batch changes are copied back from an image,
 * outside the timed part; bench/c/split.c does the same. Which words those are is found once, by comparing.
 */
import type { Arena } from '../../src/arena/arena.ts';
import type { Cpu } from '../../src/cpu/cpu.ts';
import type { Kvm } from '../../src/mmu/kvm.ts';
import type { ThreadTask } from '../thread.ts';
import type { Batch } from '../thread-main.ts';
import { importFrom } from '../tree.ts';

type SplitTask = Extract<ThreadTask, { kind: 'split' }>;

/** Runs an actor of either tree to its end: those of the transformed tree have done so when they return. */
function finish(result: unknown, stripped: boolean): void {
  if (!stripped && (result as Generator).next().done !== true)
    throw new Error('an unstepped actor suspended');
}

export async function splitBatch(task: SplitTask): Promise<Batch> {
  const { root, stripped } = task;
  const { Arena } = await importFrom(root, 'arena/arena.ts');
  const { Kvm } = await importFrom(root, 'mmu/kvm.ts');
  const { P1_ENGINE } = await importFrom(root, 'mmu/default-engine.ts');
  const { SplitPass } = await importFrom(root, 'mmu/shadow/split-pass.ts');
  const { splitCaches } = await importFrom(root, 'mmu/memory-cache.ts');
  const split = await importFrom(root, 'mmu/shadow/split.ts');
  const { RmapWalk } = await importFrom(root, 'mmu/shadow/walker.ts');
  const steps = await importFrom(root, 'mmu/shadow/split-steps.ts');
  const counters = await importFrom(root, 'cpu/counters.ts');

  const arena = openArena(task, Arena);
  const kvm = new Kvm(task.machine.config, arena, P1_ENGINE);
  const cpu = await openCpu(task, arena);
  cpu.held = 4; // slots_lock
  const caches = splitCaches(kvm, 0);
  steps.topupSplitCaches(kvm, cpu, caches);
  const slot = kvm.slots[1]!;
  const end = slot.baseGfn + slot.npages;
  let batch: () => void;
  if (task.unit === 'pass') {
    batch = () => finish(split.slotTrySplitHugePages(kvm, cpu, caches, slot, slot.baseGfn, end), stripped);
  } else {
    finish(kvm.writeLock(cpu), stripped);
    const level = task.machine.config.slots[1]!.backing;
    const pass = new SplitPass(kvm, cpu, caches, slot);
    batch = () => {
      const walk = new RmapWalk(kvm, slot, slot.baseGfn, end, level);
      finish(split.shadowMmuTrySplitHugePages(pass, walk), stripped);
    };
  }
  const restore = task.restore ? restorer(kvm, batch) : () => {};
  const splitOk = counters.C.splitOk;
  return (batches) => {
    const before = cpu.counters[splitOk]!;
    let ns = 0;
    for (let i = 0; i < batches; i++) {
      const t0 = process.hrtime.bigint();
      batch();
      ns += Number(process.hrtime.bigint() - t0);
      restore();
    }
    return { ns, units: cpu.counters[splitOk]! - before };
  };
}

/** The machine's arena, or a private tracked copy for the memory of the single-threaded runtimes. */
function openArena(task: SplitTask, type: typeof Arena): Arena {
  if (task.cpu === 'atomic') return type.attach(task.layout, task.buffer);
  const arena = type.tracked(task.layout);
  arena.w.set(new Int32Array(task.buffer));
  return arena;
}

async function openCpu(task: SplitTask, arena: Arena): Promise<Cpu> {
  const { root, layout } = task;
  const identity = { actor: 0, name: 'splitter', cls: 'splitter' as const };
  if (task.cpu === 'plain') {
    const { PlainCpu, RunLog } = await importFrom(root, 'cpu/plain-cpu.ts');
    return new PlainCpu(arena, new RunLog(), identity, false);
  }
  const { AtomicCpu } = await importFrom(root, 'cpu/atomic-cpu.ts');
  return new AtomicCpu(arena, {
    ...identity,
    control: layout.control,
    row: layout.actors,
    clock: () => Number(process.hrtime.bigint()),
    spins: 0,
    sharesCores: false,
  });
}

/** Runs one batch, finds what it changed, and returns a function that takes that back. */
function restorer(kvm: Kvm, batch: () => void): () => void {
  const { w } = kvm;
  const image = w.slice();
  batch();
  const ranges: [number, number][] = [];
  for (let at = 0; at < w.length; at++) {
    if (w[at] === image[at]) continue;
    const last = ranges.at(-1);
    if (last !== undefined && at - last[1] < 16) last[1] = at + 1;
    else ranges.push([at, at + 1]);
  }
  const parts = ranges.map(([from, to]) => ({ from, words: image.slice(from, to) }));
  const restore = (): void => {
    for (const { from, words } of parts) w.set(words, from);
  };
  restore();
  return restore;
}
