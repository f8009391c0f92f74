/**
 * The cast: everything KVM lets run against eager splitting, beside the vCPUs and the migration (kernel-facts 5.1).
 * One file per actor; each has named moves, and draws one per round by weight from its own workload stream.
 */
import type { Steps } from '../cpu/steps.ts';
import type { ActorContext, CastKind, CastOptions } from './context.ts';

export interface CastMember {
  /** One sentence for `list`. */
  readonly summary: string;
  /** Rows of kernel-facts 5.1. */
  readonly facts: readonly string[];
  /** Names of its moves with their default weights. */
  readonly moves: Readonly<Record<string, number>>;
  readonly run: (context: ActorContext, options: CastOptions) => Steps<void>;
}

export const CAST: Partial<Record<CastKind, CastMember>> = {};
