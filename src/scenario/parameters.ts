/** Scenario parameters: types, ranges, defaults, and turning text into values (design 7). */

export interface ParameterBase {
  readonly describe: string;
}
export interface IntegerParameter extends ParameterBase {
  readonly type: 'integer';
  readonly min: number;
  readonly max: number;
  readonly default: number;
}
export interface NumberParameter extends ParameterBase {
  readonly type: 'number';
  readonly min: number;
  readonly max: number;
  readonly default: number;
}
/** Bytes, given as `64K`, `16G` and the like; always whole 4 KiB pages. */
export interface SizeParameter extends ParameterBase {
  readonly type: 'size';
  readonly min: number;
  readonly max: number;
  readonly default: number;
}
export interface BooleanParameter extends ParameterBase {
  readonly type: 'boolean';
  readonly default: boolean;
}
export interface ChoiceParameter extends ParameterBase {
  readonly type: 'choice';
  readonly choices: readonly string[];
  readonly default: string;
}
export type Parameter =
  IntegerParameter | NumberParameter | SizeParameter | BooleanParameter | ChoiceParameter;
export type ParameterValue = number | boolean | string;
export type ParameterValues = Readonly<Record<string, ParameterValue>>;

/** A value that is not allowed: says which, what was given and what is allowed. */
export class ParameterError extends Error {
  override readonly name = 'ParameterError';
  readonly path: string;
  constructor(path: string, given: unknown, allowed: string) {
    super(`${path}: ${JSON.stringify(given)} given, allowed is ${allowed}`);
    this.path = path;
  }
}

export const PAGE_SIZE = 4096;
const KIB = 1024;
const UNITS: Readonly<Record<string, number>> = { k: KIB, m: KIB ** 2, g: KIB ** 3, t: KIB ** 4 };

/**
 * Parses `4096`, `64K`, `16G`, `1T` (binary units, an optional `iB` or `B` after them).
 * @throws ParameterError
 */
export function parseSize(text: string | number, path = 'size'): number {
  if (typeof text === 'number') return text;
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (match === null) throw new ParameterError(path, text, 'a size such as 64K, 512M or 16G');
  return Number(match[1]) * (UNITS[match[2]!.toLowerCase()] ?? 1);
}

/** `16G`, `64K`: the shortest exact form. */
export function formatSize(bytes: number): string {
  for (const [unit, factor] of [
    ['T', KIB ** 4],
    ['G', KIB ** 3],
    ['M', KIB ** 2],
    ['K', KIB],
  ] as const) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return String(bytes);
}

/** What a parameter accepts, in words. */
export function describeAllowed(parameter: Parameter): string {
  switch (parameter.type) {
    case 'integer':
      return `an integer from ${parameter.min} to ${parameter.max}`;
    case 'number':
      return `a number from ${parameter.min} to ${parameter.max}`;
    case 'size':
      return `a size from ${formatSize(parameter.min)} to ${formatSize(parameter.max)} in whole 4K pages`;
    case 'boolean':
      return 'true or false';
    case 'choice':
      return `one of ${parameter.choices.join(', ')}`;
  }
}

/**
 * Checks a value (text from a command line, or already typed) against its parameter.
 * @param path how the user names it, for the message
 * @throws ParameterError
 */
export function parseParameter(parameter: Parameter, given: unknown, path: string): ParameterValue {
  const fail = (): never => {
    throw new ParameterError(path, given, describeAllowed(parameter));
  };
  const inRange = (value: number, min: number, max: number): number =>
    Number.isFinite(value) && value >= min && value <= max ? value : fail();
  const number = (): number => {
    if (typeof given === 'number') return given;
    if (
      typeof given !== 'string' ||
      given.trim() === '' ||
      !/^[-+]?(\d|\.\d)[\d.]*(e[-+]?\d+)?$/i.test(given.trim())
    )
      return fail();
    return Number(given);
  };
  switch (parameter.type) {
    case 'integer': {
      const value = inRange(number(), parameter.min, parameter.max);
      return Number.isInteger(value) ? value : fail();
    }
    case 'number':
      return inRange(number(), parameter.min, parameter.max);
    case 'size': {
      if (typeof given !== 'number' && typeof given !== 'string') return fail();
      const value = inRange(parseSize(given, path), parameter.min, parameter.max);
      return value % PAGE_SIZE === 0 ? value : fail();
    }
    case 'boolean':
      if (given === true || given === 'true') return true;
      if (given === false || given === 'false') return false;
      return fail();
    case 'choice':
      return typeof given === 'string' && parameter.choices.includes(given) ? given : fail();
  }
}

const GIB = 2 ** 30;

/** Parameters every scenario has. A scenario gives its own defaults for them. */
export const COMMON_PARAMETERS = {
  vcpus: { type: 'integer', min: 1, max: 64, default: 4, describe: 'L2 vCPUs' },
  memory: {
    type: 'size',
    min: 4 * PAGE_SIZE,
    max: 1024 * GIB,
    default: GIB,
    describe: 'guest memory in the migrated slot',
  },
  backing: {
    type: 'choice',
    choices: ['4k', '2m', '1g'],
    default: '1g',
    describe: 'largest host page behind it',
  },
  splitters: {
    type: 'integer',
    min: 1,
    max: 64,
    default: 1,
    describe: 'threads that split; 1 is KVM under slots_lock',
  },
  writeFraction: {
    type: 'number',
    min: 0,
    max: 1,
    default: 0.5,
    describe: 'fraction of guest accesses that write',
  },
  execFraction: {
    type: 'number',
    min: 0,
    max: 1,
    default: 0,
    describe: 'fraction of guest accesses that fetch',
  },
  ops: {
    type: 'integer',
    min: 0,
    max: 1e9,
    default: 0,
    describe: 'accesses per vCPU; 0: until the migration is over',
  },
  burst: {
    type: 'integer',
    min: 0,
    max: 1e6,
    default: 256,
    describe: 'accesses per stay in guest mode; 0: until kicked',
  },
  rounds: {
    type: 'integer',
    min: 0,
    max: 1000,
    default: 3,
    describe: 'rounds of harvest and copy while the guest runs',
  },
  clearPages: {
    type: 'integer',
    min: 0,
    max: 64,
    default: 0,
    describe: 'pages that one KVM_CLEAR_DIRTY_LOG names, just before they are copied; 0: the whole slot',
  },
  rootSwitchRate: {
    type: 'number',
    min: 0,
    max: 1,
    default: 0.05,
    describe: 'chance per access of another EPT12',
  },
  format: { type: 'choice', choices: ['ept', 'npt'], default: 'ept', describe: 'SPTE format' },
  tableBits: {
    type: 'integer',
    min: 2,
    max: 9,
    default: 9,
    describe: 'log2 of the entries of a table; 9 is x86',
  },
  rootLevel: { type: 'integer', min: 3, max: 5, default: 4, describe: 'levels of the nested tables' },
  nx: { type: 'boolean', default: false, describe: 'iTLB multihit mitigation (nx_huge_pages)' },
  eager: { type: 'boolean', default: true, describe: 'eager_page_split' },
  l1AdBits: {
    type: 'boolean',
    default: true,
    describe: 'L1 uses A/D bits in its nested tables (always with npt)',
  },
  manual: {
    type: 'choice',
    choices: ['off', 'manual', 'initially-set'],
    default: 'off',
    describe: 'KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2',
  },
  preempt: {
    type: 'choice',
    choices: ['none', 'voluntary', 'full'],
    default: 'full',
    describe: 'preemption model; only full lets a lock holder see contention',
  },
  reschedRate: {
    type: 'number',
    min: 0,
    max: 1,
    default: 0.001,
    describe: 'chance that need_resched() is true',
  },
  allocFailRate: {
    type: 'number',
    min: 0,
    max: 1,
    default: 0,
    describe: 'chance that a topup of the split caches fails',
  },
  mmuPages: {
    type: 'integer',
    min: 0,
    max: 2 ** 28,
    default: 0,
    describe: "KVM_SET_NR_MMU_PAGES; 0: KVM's default",
  },
  recycleThreshold: { type: 'integer', min: 1, max: 1e6, default: 1000, describe: 'RMAP_RECYCLE_THRESHOLD' },
  l1Vcpus: {
    type: 'integer',
    min: 0,
    max: 16,
    default: 0,
    describe: 'vCPUs that run L1 itself, through the TDP MMU, and edit the nested tables',
  },
  tdpMmu: { type: 'boolean', default: true, describe: 'tdp_mmu; off: the legacy shadow MMU maps L1 too' },
  hostAdBits: {
    type: 'boolean',
    default: true,
    describe: 'the host has A/D bits (always with npt); off: access tracking',
  },
  pml: {
    type: 'integer',
    min: 0,
    max: 512,
    default: 0,
    describe: 'entries of the PML buffer of a vCPU that runs L1; 512 is x86, 0 off',
  },
  dirtyRing: {
    type: 'integer',
    min: 0,
    max: 65_536,
    default: 0,
    describe: 'entries of the dirty ring of a vCPU; 0: dirty bitmap',
  },
  psc: { type: 'integer', min: 0, max: 1024, default: 0, describe: 'entries of the paging-structure cache' },
  flushBackend: {
    type: 'choice',
    choices: ['full', 'range-l1', 'range-l2'],
    default: 'full',
    describe:
      'TLB flushes are full, or name gfns of L1 that are compared with the address in the TLB (range-l1) or with what is behind it (range-l2, H-K)',
  },
  seqBits: { type: 'integer', min: 1, max: 31, default: 31, describe: 'width of mmu_invalidate_seq' },
  mmioGenBits: {
    type: 'integer',
    min: 1,
    max: 19,
    default: 19,
    describe: 'width of the generation of MMIO SPTEs',
  },
  nxRecoveryRatio: {
    type: 'integer',
    min: 1,
    max: 3600,
    default: 60,
    describe: 'nx_huge_pages_recovery_ratio: one of so many NX splits is undone at a time',
  },
  unsync: { type: 'boolean', default: true, describe: "L1's level-1 tables may go out of sync" },
  castRounds: {
    type: 'integer',
    min: 0,
    max: 1e9,
    default: 0,
    describe: 'moves of each further actor; 0: until the migration is over',
  },
  swarm: {
    type: 'number',
    min: 0,
    max: 1,
    default: 0,
    describe: 'chance that a further actor, or one of its moves, stays away from a schedule',
  },
  enomemRate: {
    type: 'number',
    min: 0,
    max: 1,
    default: 0,
    describe: 'chance that an allocation outside the split caches fails',
  },
  slowAckRate: {
    type: 'number',
    min: 0,
    max: 1,
    default: 0,
    describe: 'chance that a kicked vCPU takes its time before it leaves the guest',
  },
  spuriousFaultRate: {
    type: 'number',
    min: 0,
    max: 1,
    default: 0,
    describe: 'chance per access of a page fault that nothing calls for',
  },
  longExitRate: {
    type: 'number',
    min: 0,
    max: 1,
    default: 0,
    describe: 'chance per exit of a long stay outside guest mode',
  },
  tlbBits: {
    type: 'integer',
    min: 0,
    max: 12,
    default: 6,
    describe: 'log2 of the TLB entries per vCPU and page size',
  },
} as const satisfies Record<string, Parameter>;

export type CommonParameters = {
  readonly [K in keyof typeof COMMON_PARAMETERS]: (typeof COMMON_PARAMETERS)[K]['type'] extends 'choice'
    ? string
    : (typeof COMMON_PARAMETERS)[K]['type'] extends 'boolean'
      ? boolean
      : number;
};

/** What the controlled runtime starts from where a scenario says nothing else: the smallest machine with all shapes. */
export const EXPLORE_DEFAULTS: Partial<Record<keyof CommonParameters, ParameterValue>> = {
  vcpus: 2,
  memory: 16 * PAGE_SIZE,
  tableBits: 2,
  rootLevel: 3,
  ops: 0,
  burst: 6,
  rounds: 1,
  tlbBits: 3,
  reschedRate: 0.05,
  rootSwitchRate: 0.2,
  castRounds: 3,
};
