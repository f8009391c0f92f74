/** What an actor is given, and what it is made from. */
import type { Cpu } from '../cpu/cpu.ts';
import type { ActorClass } from '../cpu/cpu.ts';
import type { Steps } from '../cpu/steps.ts';
import type { Kvm } from '../mmu/kvm.ts';

/** One actor of a machine: plain data, so that a worker can be handed it. */
export type ActorSpec =
  | { readonly kind: 'l2-vcpu'; readonly vcpu: number; readonly workload: Workload }
  | { readonly kind: 'split-worker'; readonly shard: number }
  | {
      readonly kind: 'migration';
      readonly slots: readonly number[];
      readonly rounds: number;
      /** Most pages that one CLEAR names; absent: the whole slot at once. */
      readonly clearPages?: number;
    }
  | { readonly kind: 'cast'; readonly member: CastKind; readonly options: CastOptions }
  | { readonly kind: 'custom'; readonly name: string; readonly options: Readonly<Record<string, unknown>> };

/** What an L2 vCPU does; drawn from the actor's workload stream. */
export interface Workload {
  /** Accesses before the vCPU stops by itself; 0 runs until the migration is over. */
  readonly ops: number;
  /** Fractions of the accesses that write and that fetch; the rest read. */
  readonly writeFraction: number;
  readonly execFraction: number;
  /** Probability per access of going on with another root (a nested VM entry with another EPT12). */
  readonly rootSwitchRate: number;
  /** Accesses per stay in guest mode before an exit for other reasons (timer, I/O); 0 never. */
  readonly burst: number;
  /** Where it goes: L2 ranges by root. */
  readonly ranges: readonly WorkloadRange[];
}

export interface WorkloadRange {
  readonly root: number;
  readonly l2Gfn: number;
  readonly pages: number;
  readonly write: boolean;
  readonly exec: boolean;
}

/** Options of every member of the cast (src/actors/cast.ts). */
export interface CastOptions {
  /** vCPU it is, for those that are one; its tie-break and number otherwise. */
  readonly index: number;
  /** Ids of the memslots it works on. */
  readonly slots: readonly number[];
  /** Moves it makes; 0: until the migration is over. */
  readonly rounds: number;
  /** How likely each of its moves is, by name; moves not named are never made. */
  readonly weights: Readonly<Record<string, number>>;
  /** Chance that it stays away from a schedule altogether, and that a move does; the weights vary then (src/actors/swarm.ts). */
  readonly swarm: number;
  /** L2 and L1 ranges it may use, as for an L2 vCPU. */
  readonly ranges: readonly WorkloadRange[];
}

/** Members of the cast: the keys of CAST in src/actors/cast.ts. */
export const CAST_KINDS = [
  'l1-vcpu',
  'mmu-notifier',
  'page-aging',
  'nx-recovery',
  'reclaim',
  'memslots',
  'zap-all',
  'log-toggle',
  'vm-teardown',
] as const;
export type CastKind = (typeof CAST_KINDS)[number];

export interface ActorContext {
  readonly kvm: Kvm;
  readonly cpu: Cpu;
}

/** A user's own actor, exported by a scenario module under its name (design 7). */
export type CustomActor = (context: ActorContext, options: Readonly<Record<string, unknown>>) => Steps<void>;

/** Class and name of an actor, for statistics and reports. */
export function actorIdentity(spec: ActorSpec): { readonly cls: ActorClass; readonly name: string } {
  switch (spec.kind) {
    case 'l2-vcpu':
      return { cls: 'l2-vcpu', name: `L2 vCPU ${spec.vcpu}` };
    case 'split-worker':
      return { cls: 'splitter', name: `splitter ${spec.shard}` };
    case 'migration':
      return { cls: 'migration', name: 'migration' };
    case 'cast':
      return castIdentity(spec.member, spec.options.index);
    case 'custom':
      return { cls: 'other', name: spec.name };
  }
}

function castIdentity(member: CastKind, index: number): { readonly cls: ActorClass; readonly name: string } {
  switch (member) {
    case 'l1-vcpu':
      return { cls: 'l1-vcpu', name: `L1 vCPU ${index}` };
    case 'mmu-notifier':
    case 'page-aging':
      return { cls: 'host', name: member };
    case 'nx-recovery':
    case 'reclaim':
    case 'zap-all':
    case 'vm-teardown':
      return { cls: 'mmu-worker', name: member };
    case 'memslots':
    case 'log-toggle':
      return { cls: 'other', name: member };
  }
}
