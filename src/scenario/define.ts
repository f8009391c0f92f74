/** What a scenario module exports (design 7). Plain data and functions: a loader may give it its own module copies. */
import type { CastKind, CustomActor } from '../actors/context.ts';
import type { CommonParameters, Parameter, ParameterValue } from './parameters.ts';

/** Sizes in pages (4 KiB) and gfns of the machine a scenario describes. */
export interface Units {
  /** Pages of a level-2 and a level-3 page ("2M" and "1G" of this machine). */
  readonly huge2: number;
  readonly huge3: number;
  /** First gfn of the migrated slot and its pages. */
  readonly base: number;
  readonly pages: number;
}

/** Entries of one of L1's nested roots. Gfns are in pages; see L1Mapping in src/mmu/config.ts. */
export interface MappingSpec {
  readonly l2Gfn: number;
  readonly l1Gfn: number;
  /** 1 is 4 KiB, 2 is 2 MiB, 3 is 1 GiB. */
  readonly level: 1 | 2 | 3;
  readonly count: number;
  /** Pages between the targets of two entries; the page size by default, 0 for aliases of one page. */
  readonly l1Step?: number;
  /** `rwx` by default; r is always there. */
  readonly perm?: 'rwx' | 'rw' | 'rx' | 'r';
  /** A and D bits preset in L1's entry; both true by default. */
  readonly accessed?: boolean;
  readonly dirty?: boolean;
}

export interface RootSpec {
  readonly name: string;
  readonly mappings: readonly MappingSpec[];
  /** Levels of its tables; those of the parameter `rootLevel` by default. */
  readonly level?: 3 | 4 | 5;
  /**
   * Its top table, of its `level`, is the one by which the earlier root `root` translates `l2Gfn`: L1 runs L2 on a part of
   * other tables, so that one shadow page is a root and a child.
   */
  readonly within?: { readonly root: number; readonly l2Gfn: number };
  /** L1 runs it with CR4.SMEP, which makes its shadow pages a role of their own. */
  readonly smep?: boolean;
  /** False: not a nested table but one of L1's own, for the legacy shadow MMU (`tdpMmu` off). */
  readonly guestMode?: boolean;
}

/** Something that has happened to the machine before its actors start. */
export type PopulateSpec = TouchSpec | LogCycleSpec;

/** User space has had the dirty log of a slot on, has cleared it where that is done by hand, and off again (A16, A17, H-G). */
export interface LogCycleSpec {
  readonly logCycle: number;
}

/** Accesses of a guest, so that huge SPTEs exist. */
export interface TouchSpec {
  readonly root?: number;
  readonly vcpu?: number;
  readonly access: 'read' | 'write' | 'exec';
  readonly l2Gfn: number;
  readonly count?: number;
  /** Pages between two accesses; 1 by default. */
  readonly stride?: number;
  /** The vCPU enters the guest first, and so honours the flushes that were asked for until then. They stay pending by default. */
  readonly enters?: boolean;
}

export interface CustomActorSpec {
  readonly name: string;
  readonly options?: Readonly<Record<string, unknown>>;
}

/** A member of the cast (src/actors/cast.ts) in a scenario. */
export interface CastSpec {
  readonly kind: CastKind;
  /** Ids of the memslots it works on; the migrated slot, 1, by default. */
  readonly slots?: readonly number[];
  /** Moves it makes; the parameter `castRounds` by default; 0: until the migration is over. */
  readonly rounds?: number;
  /** Weights of its moves; those of src/actors/cast.ts by default. */
  readonly weights?: Readonly<Record<string, number>>;
}

/** A further memslot above the migrated one. */
export interface ExtraSlotSpec {
  readonly pages: number;
  /** First gfn, beyond the slots before it; right behind them, aligned to a level-3 page, by default. */
  readonly baseGfn?: number;
  readonly readonly?: boolean;
  /** It does not exist until an actor creates it. */
  readonly gone?: boolean;
  /** Id of the slot whose host memory it shows (the target of KVM_MR_MOVE); its own by default. */
  readonly sharesMemoryOf?: number;
}

export interface MachineSpec {
  readonly roots: readonly RootSpec[];
  /** One access in every page that L1 maps (`all`), or exactly these. */
  readonly populate: 'all' | readonly PopulateSpec[];
  /** Where L1 keeps its nested tables: in a slot of their own, or at the end of the migrated slot. */
  readonly tables?: 'own-slot' | 'migrated-slot';
  /** Leave the live migration out: then a custom actor has to drive the dirty log. */
  readonly migration?: boolean;
  /** Leave the L2 vCPUs' threads out: they have been in the guest and stay outside, with what their TLBs hold. */
  readonly guests?: boolean;
  /** Who else acts. L1 vCPUs are added by the parameter `l1Vcpus`. */
  readonly cast?: readonly CastSpec[];
  /** Memslots beside the migrated one; their ids go on from 2. */
  readonly extraSlots?: readonly ExtraSlotSpec[];
  /** Pages L1 may build further nested tables with; some by default when there is an L1 vCPU. */
  readonly spareTables?: number;
  /** Further actors, by the names under which the module's `actors` has them. */
  readonly actors?: readonly CustomActorSpec[];
}

export interface Scenario {
  readonly name: string;
  /** One sentence for `list`. */
  readonly summary: string;
  /** What happens, why it is interesting, which facts it rests on. */
  readonly about: string;
  /** Ids of kernel-facts. */
  readonly facts: readonly string[];
  /** Defaults of common parameters in the parallel and in the controlled runtime. */
  readonly defaults?: Partial<Record<keyof CommonParameters, ParameterValue>>;
  readonly explore?: Partial<Record<keyof CommonParameters, ParameterValue>> & Record<string, ParameterValue>;
  /** Parameters of its own. */
  readonly parameters?: Readonly<Record<string, Parameter>>;
  readonly machine: (
    parameters: CommonParameters & Record<string, ParameterValue>,
    units: Units,
  ) => MachineSpec;
  /** Its own actors, by name. */
  readonly actors?: Readonly<Record<string, CustomActor>>;
}

/** Gives a scenario its type; returns it as it is. */
export function defineScenario(scenario: Scenario): Scenario {
  return scenario;
}
