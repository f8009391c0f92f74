/** Variants: engines made from others by overriding steps (design 4). */
import type { Engine } from '../mmu/engine.ts';
import type { BugRecord } from './bug.ts';

/** What a variant is for. */
export type VariantKind = 'profile' | 'bug' | 'idea';

export interface Variant {
  readonly name: string;
  /** One sentence for `list`. */
  readonly summary: string;
  readonly kind: VariantKind;
  /** Ids of kernel-facts that it rests on. */
  readonly facts: readonly string[];
  /** Checks expected to catch it; empty for profiles and ideas. */
  readonly caughtBy: readonly string[];
  /** A shipped scenario in which it shows; absent if any will do. */
  readonly scenario?: string;
  /** Parameters of that scenario without which it does not show. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Only of bugs: their history, and what is to catch them. */
  readonly bug?: BugRecord;
  /** Returns the changed engine. `base` is a complete engine, by default P1. */
  readonly apply: (base: Engine) => Partial<Engine>;
}

/** Gives a variant its type; returns it as it is. */
export function defineVariant(variant: Variant): Variant {
  return variant;
}

/** Applies variants from left to right. */
export function composeEngine(base: Engine, variants: readonly Variant[]): Engine {
  return variants.reduce<Engine>(
    (engine, variant) => ({
      ...engine,
      name: engine === base ? variant.name : `${engine.name}+${variant.name}`,
      summary: variant.summary,
      ...variant.apply(engine),
    }),
    base,
  );
}
