/** The shipped variants by name. */
import { P1_ENGINE } from '../mmu/default-engine.ts';
import type { Engine } from '../mmu/engine.ts';
import { composeEngine, type Variant } from './define.ts';
import { BUGS } from './bugs/index.ts';
import bornClean from './ideas/born-clean.ts';
import clearKeepsMmuWritable from './ideas/clear-keeps-mmu-writable.ts';
import faultFlushesAll from './ideas/fault-flushes-all.ts';
import hostPagesReadOnlyAtFirst from './ideas/host-pages-read-only-at-first.ts';
import needbreakDynamicBug from './ideas/needbreak-dynamic-bug.ts';
import nestedPml from './ideas/nested-pml.ts';
import noGuestModeCheck from './ideas/no-guest-mode-check.ts';
import oneSplitPerHold from './ideas/one-split-per-hold.ts';
import p3RecycleDischarges from './ideas/p3-recycle-discharges.ts';
import p3WithoutF7 from './ideas/p3-without-f7.ts';
import recycleMakesFlush from './ideas/recycle-makes-flush.ts';
import reuseMakesFlush from './ideas/reuse-makes-flush.ts';
import yieldFlushesAll from './ideas/yield-flushes-all.ts';
import zapRangeDownward from './ideas/zap-range-downward.ts';
import ancestor2016 from './profiles/ancestor-2016.ts';
import p0 from './profiles/p0.ts';
import p1 from './profiles/p1.ts';
import p2 from './profiles/p2.ts';
import p3 from './profiles/p3.ts';
import p4 from './profiles/p4.ts';
import clear68 from './versions/clear-6.8.ts';
import desc64 from './versions/desc-6.4.ts';
import flushElision613 from './versions/flush-elision-6.13.ts';
import locklessAging615 from './versions/lockless-aging-6.15.ts';
import nx62 from './versions/nx-6.2.ts';
import recoverInPlace613 from './versions/recover-in-place-6.13.ts';
import slotZap612 from './versions/slot-zap-6.12.ts';
import tdpAlloc611 from './versions/tdp-alloc-6.11.ts';
import tdpShrink62 from './versions/tdp-shrink-6.2.ts';
import tdpZap610 from './versions/tdp-zap-6.10.ts';

export const VARIANTS: readonly Variant[] = [
  p0,
  p1,
  p2,
  p3,
  p4,
  ancestor2016,
  nx62,
  tdpShrink62,
  desc64,
  clear68,
  tdpZap610,
  tdpAlloc611,
  slotZap612,
  flushElision613,
  recoverInPlace613,
  locklessAging615,
  noGuestModeCheck,
  p3WithoutF7,
  p3RecycleDischarges,
  needbreakDynamicBug,
  yieldFlushesAll,
  oneSplitPerHold,
  recycleMakesFlush,
  hostPagesReadOnlyAtFirst,
  reuseMakesFlush,
  clearKeepsMmuWritable,
  zapRangeDownward,
  faultFlushesAll,
  nestedPml,
  bornClean,
  ...BUGS,
];

export function findVariant(name: string): Variant | undefined {
  return VARIANTS.find((variant) => variant.name === name);
}

/** The engine of some variants, applied from left to right on P1. */
export function engineOf(variants: readonly Variant[]): Engine {
  return composeEngine(P1_ENGINE, variants);
}
