/**
 * The words of this machine as strategies and coverage see them: groups that a strategy treats as one location (explorer notes
 * 4.4), and kinds by which a report tells words apart.
 */
import { VCPU_WORDS } from '../arena/layout.ts';
import { ACTOR_CLASSES, type Cpu } from '../cpu/cpu.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { nameOfWord } from '../mmu/word-names.ts';
import type { GroupOf } from './profile.ts';

const LOCKS = 0;
const REQUESTS = 1;
const LOGS = 2;
const MEMORY = 3;
const CACHES = 4;
const FIRST_TABLE = 16;
/** Groups of arenas with more words are looked up anew each time. */
const MAX_TABLE = 2 ** 22;

/** Offsets of the locks among the VM's words. */
const LOCK_WORDS: ReadonlySet<number> = new Set([
  KVM.mmuCnts,
  KVM.mmuWaitLock,
  KVM.slotsState,
  KVM.slotsArchState,
  KVM.tdpPagesLock,
  KVM.unsyncPagesLock,
  KVM.hostLock,
  KVM.mmapLock,
  ...[0, 1, 2, 3].map((index) => KVM.rmapLocks + index),
  KVM.l1Lock,
  KVM.userLock,
]);

function groupOfWord(kvm: Kvm, word: number): number {
  const { layout } = kvm;
  const tableShift = kvm.tableBits + 1;
  if (word >= layout.tables) return FIRST_TABLE + 2 * ((word - layout.tables) >> tableShift);
  if (word >= layout.guestTables) return FIRST_TABLE + 1 + 2 * ((word - layout.guestTables) >> tableShift);
  if (word >= layout.memory && word < layout.memory + layout.dims.pfns) return MEMORY;
  if (word >= layout.kvm && word < layout.vcpus) return LOCK_WORDS.has(word - layout.kvm) ? LOCKS : REQUESTS;
  if (word >= layout.vcpus && word < layout.vcpus + VCPU_WORDS * layout.dims.vcpus) return REQUESTS;
  if (word >= layout.pools && word < layout.hash) return CACHES;
  for (const slot of layout.slots) {
    if (word >= slot.dirtyBitmap && word < slot.dirtyBitmap + slot.bitmapWords) return LOGS;
  }
  return -1;
}

/**
 * The group of a word: the locks, the request words of the VM and its vCPUs, the memory caches and pools, the dirty logs, guest
 * memory, one page table; -1 for words that are only locations of their own.
 */
export function locationGroups(kvm: Kvm): GroupOf {
  const { words } = kvm.layout;
  if (words > MAX_TABLE) return (word) => groupOfWord(kvm, word);
  let groups: Int32Array | undefined;
  return (word) => {
    groups ??= Int32Array.from({ length: words }, (_, at) => groupOfWord(kvm, at));
    return groups[word]!;
  };
}

/** Kinds of words with their names. */
export interface WordKinds {
  readonly names: readonly string[];
  readonly kindOf: (word: number) => number;
}

/** Regions beside the named words, in the order of the arena. */
const REGIONS = [
  'other',
  'pool',
  'memory cache',
  'hash bucket',
  'TLB',
  'paging-structure cache',
  'RCU section',
  'PML buffer',
  'dirty ring',
  'memslot',
  'guest page',
  'free host frames',
  'shadow-page header',
  'rmap descriptor',
  'shadowed translation',
  "L1's table",
  'SPTE',
] as const;
const SLOT_REGION = REGIONS.indexOf('memslot');
const SLOT_PARTS = [
  'memslot flags',
  'rmap head',
  'lpage_info',
  'write tracking',
  'dirty bitmap',
  "user's bitmap",
  'destination page',
  'host mapping',
] as const;

/** The kind of each word: the VM's and the vCPUs' by name, all others by the region they are in. */
export function wordKinds(kvm: Kvm): WordKinds {
  const { layout } = kvm;
  const kvmWords = layout.vcpus - layout.kvm;
  const names = [
    ...Array.from({ length: kvmWords }, (_, at) => nameOfWord(kvm, layout.kvm + at) ?? `kvm word ${at}`),
    ...Array.from({ length: VCPU_WORDS }, (_, at) =>
      (nameOfWord(kvm, layout.vcpus + at) ?? `vCPU word ${at}`).replace(/^vCPU \d+/, 'vCPU'),
    ),
    ...REGIONS,
    ...SLOT_PARTS,
  ];
  const regions = kvmWords + VCPU_WORDS;
  const starts: readonly number[] = [
    layout.vcpus + VCPU_WORDS * layout.dims.vcpus,
    layout.pools,
    layout.vcpuCaches,
    layout.hash,
    layout.tlb,
    layout.psc,
    layout.rcu,
    layout.pml,
    layout.rings,
    layout.slots[0]?.flags ?? layout.memory,
    layout.memory,
    layout.frames,
    layout.headers,
    layout.descs,
    layout.shadowInfo,
    layout.guestTables,
    layout.tables,
  ];
  const partOf = (word: number): number => {
    let best = -1;
    let at = -1;
    for (const slot of layout.slots) {
      const parts = [
        [slot.flags],
        slot.rmap.slice(1),
        slot.lpageInfo.slice(2),
        [slot.writeTrack],
        [slot.dirtyBitmap],
        [slot.userBitmap],
        [slot.destination],
        [slot.hostMap, ...slot.hostBroken.slice(2)],
      ];
      parts.forEach((froms, part) => {
        for (const from of froms) {
          // Absent parts are at 0.
          if (from === 0 || from > word || from <= best) continue;
          best = from;
          at = part;
        }
      });
    }
    return at;
  };
  return {
    names,
    kindOf: (word) => {
      if (word < layout.kvm) return regions;
      if (word < layout.vcpus) return word - layout.kvm;
      if (word < starts[0]!) return kvmWords + ((word - layout.vcpus) % VCPU_WORDS);
      let region = 0;
      while (region + 1 < starts.length && word >= starts[region + 1]!) region++;
      if (region !== SLOT_REGION) return regions + region;
      const part = partOf(word);
      return part < 0 ? regions + region : regions + REGIONS.length + part;
    },
  };
}

/** Most parties that are single actors. */
const SINGLE = 8;

/** Who is told apart in operation pairs: each actor if there are few, else their classes. */
export interface Parties {
  readonly names: readonly string[];
  readonly partyOf: (actor: number) => number;
}

export function partiesOf(cpus: readonly Cpu[]): Parties {
  if (cpus.length <= SINGLE) return { names: cpus.map((cpu) => cpu.name), partyOf: (actor) => actor };
  return { names: ACTOR_CLASSES, partyOf: (actor) => ACTOR_CLASSES.indexOf(cpus[actor]!.cls) };
}
