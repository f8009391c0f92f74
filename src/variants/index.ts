/** The shipped variants by name. */
import { P1_ENGINE } from '../mmu/default-engine.ts';
import type { Engine } from '../mmu/engine.ts';
import { composeEngine, type Variant } from './define.ts';
import bustedLock from './bugs/busted-lock.ts';
import childRoleIgnoresAccess from './bugs/child-role-ignores-access.ts';
import linkBeforeFill from './bugs/link-before-fill.ts';
import neverFlushOnReuse from './bugs/never-flush-on-reuse.ts';
import noRestartAfterEagain from './bugs/no-restart-after-eagain.ts';
import skipWrprotIfNotWritable from './bugs/skip-wrprot-if-not-writable.ts';
import p0 from './profiles/p0.ts';
import p1 from './profiles/p1.ts';
import p2 from './profiles/p2.ts';

export const VARIANTS: readonly Variant[] = [
  p0,
  p1,
  p2,
  neverFlushOnReuse,
  noRestartAfterEagain,
  childRoleIgnoresAccess,
  skipWrprotIfNotWritable,
  linkBeforeFill,
  bustedLock,
];

export function findVariant(name: string): Variant | undefined {
  return VARIANTS.find((variant) => variant.name === name);
}

/** The engine of some variants, applied from left to right on P1. */
export function engineOf(variants: readonly Variant[]): Engine {
  return composeEngine(P1_ENGINE, variants);
}
