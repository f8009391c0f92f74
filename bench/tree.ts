/** Importing from a source tree given by URL: our own, or the transformed copy of bench/strip.ts. */
import type * as arena from '../src/arena/arena.ts';
import type * as atomicCpu from '../src/cpu/atomic-cpu.ts';
import type * as counters from '../src/cpu/counters.ts';
import type * as plainCpu from '../src/cpu/plain-cpu.ts';
import type * as randomWalk from '../src/explore/strategies/random-walk.ts';
import type * as mutex from '../src/locks/mutex.ts';
import type * as qrwlock from '../src/locks/qrwlock.ts';
import type * as defaultEngine from '../src/mmu/default-engine.ts';
import type * as kvm from '../src/mmu/kvm.ts';
import type * as memoryCache from '../src/mmu/memory-cache.ts';
import type * as observer from '../src/mmu/observer.ts';
import type * as splitPass from '../src/mmu/shadow/split-pass.ts';
import type * as splitSteps from '../src/mmu/shadow/split-steps.ts';
import type * as split from '../src/mmu/shadow/split.ts';
import type * as walker from '../src/mmu/shadow/walker.ts';
import type * as controlled from '../src/runtime/controlled.ts';

interface Modules {
  'arena/arena.ts': typeof arena;
  'cpu/atomic-cpu.ts': typeof atomicCpu;
  'cpu/counters.ts': typeof counters;
  'cpu/plain-cpu.ts': typeof plainCpu;
  'explore/strategies/random-walk.ts': typeof randomWalk;
  'locks/mutex.ts': typeof mutex;
  'locks/qrwlock.ts': typeof qrwlock;
  'mmu/default-engine.ts': typeof defaultEngine;
  'mmu/kvm.ts': typeof kvm;
  'mmu/memory-cache.ts': typeof memoryCache;
  'mmu/observer.ts': typeof observer;
  'mmu/shadow/split-pass.ts': typeof splitPass;
  'mmu/shadow/split-steps.ts': typeof splitSteps;
  'mmu/shadow/walker.ts': typeof walker;
  'mmu/shadow/split.ts': typeof split;
  'runtime/controlled.ts': typeof controlled;
}

export async function importFrom<P extends keyof Modules>(root: string, path: P): Promise<Modules[P]> {
  return (await import(new URL(path, root).href)) as Modules[P];
}
