/** The engine that stands for the kernel of a recording. */
import type { Cpu } from '../cpu/cpu.ts';
import type { Engine } from '../mmu/engine.ts';
import type { Kvm } from '../mmu/kvm.ts';
import type { SplitCaches } from '../mmu/memory-cache.ts';
import { engineOf, findVariant } from '../variants/index.ts';
import { NotPerformable } from './machine.ts';
import type { Recording } from './recording.ts';

/** Builds of the kernel by the name that the recordings give them (docs/conformance.md). */
const PROFILES: Readonly<Record<string, string>> = { 'orig-link': 'p1', 'debian-stock': 'p2' };

/**
 * Name of the profile that a recording's kernel behaves as; a recording of the model names its own variants.
 * @throws NotPerformable if the kernel is not known: the caller has to name a variant
 */
export function profileOf({ kernel }: Pick<Recording, 'kernel'>): string {
  const name = PROFILES[kernel.variant] ?? kernel.variant;
  if (name.split('+').every((part) => findVariant(part) !== undefined)) return name;
  throw new NotPerformable(
    `kernel.variant: "${kernel.variant}" is neither ${Object.keys(PROFILES).join(' nor ')} nor a variant; name one with --variant`,
  );
}

/** The engine of `name`, variants joined by +. */
export const engineNamed = (name: string): Engine =>
  engineOf(name.split('+').flatMap((part) => findVariant(part) ?? []));

/** Told about topups, and asked where the scheduler forces one. */
export interface SplitGuide {
  forcesTopup(cpu: Cpu): boolean;
  topupBegin(cpu: Cpu): void;
  /** The scheduler, or a waiter, takes the CPU or the lock in the middle of a walk. */
  takesWalker(cpu: Cpu, flushOwed: boolean, gfn: number, level: number): boolean;
}

/** The engine with the reschedules of a recording put in. */
export function guided(engine: Engine, guide: SplitGuide): Engine {
  return {
    ...engine,
    needTopupSplitCachesOrResched(kvm: Kvm, cpu: Cpu, caches: SplitCaches): boolean {
      const needed = engine.needTopupSplitCachesOrResched(kvm, cpu, caches);
      return guide.forcesTopup(cpu) || needed;
    },
    walkerNeedsResched(kvm: Kvm, cpu: Cpu, flushOwed: boolean, gfn: number, level: number): boolean {
      const needed = engine.walkerNeedsResched(kvm, cpu, flushOwed, gfn, level);
      return guide.takesWalker(cpu, flushOwed, gfn, level) || needed;
    },
    topupSplitCaches(kvm: Kvm, cpu: Cpu, caches: SplitCaches): number {
      guide.topupBegin(cpu);
      return engine.topupSplitCaches(kvm, cpu, caches);
    },
  };
}
