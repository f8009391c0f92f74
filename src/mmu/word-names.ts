/** Names of single words: those of the VM, of a vCPU, and of what hangs on vCPUs and actors. */
import { PSC_ENTRY_WORDS, RING_ENTRY_WORDS, VCPU_WORDS } from '../arena/layout.ts';
import { KVM, type Kvm } from './kvm.ts';
import { VCPU } from './vcpu-words.ts';

/** Words of `struct kvm` that have a name in the kernel, or a plainer one than the model's. */
const KVM_NAMES: Readonly<Record<number, string>> = {
  [KVM.mmuCnts]: 'mmu_lock.cnts',
  [KVM.mmuWaitLock]: 'mmu_lock.wait_lock',
  [KVM.slotsState]: 'slots_lock',
  [KVM.slotsArchState]: 'slots_arch_lock',
  [KVM.invalidateSeq]: 'mmu_invalidate_seq',
  [KVM.invalidateInProgress]: 'mmu_invalidate_in_progress',
  [KVM.invalidateStart]: 'mmu_invalidate_range_start',
  [KVM.invalidateEnd]: 'mmu_invalidate_range_end',
  [KVM.activeInvalidates]: 'mn_active_invalidate_count',
  [KVM.indirectShadowPages]: 'indirect_shadow_pages',
  [KVM.validGen]: 'mmu_valid_gen',
  [KVM.tdpPages]: 'tdp_mmu_pages',
  [KVM.tdpPagesLock]: 'tdp_mmu_pages_lock',
  [KVM.unsyncPagesLock]: 'mmu_unsync_pages_lock',
  [KVM.slotsGen]: 'memslots generation',
  [KVM.rcuEpoch]: 'RCU epoch',
  [KVM.rcuList]: 'RCU list',
  [KVM.rcuPending]: 'RCU pending',
  [KVM.hostLock]: "the host's page-table lock",
  [KVM.mmapLock]: 'mmap_lock',
  [KVM.userLock]: "user space's lock",
  [KVM.finished]: 'end of the migration',
  [KVM.inveptRequest]: 'INVEPT requests',
  [KVM.splitRequest]: 'split request',
  [KVM.splitDone]: 'splits done',
  [KVM.pauseRequest]: 'pause request',
  [KVM.paused]: 'paused vCPUs',
};

/** The field with the highest offset that is not above `offset`. */
function fieldName(table: Readonly<Record<string, number>>, offset: number): string {
  let name = `word ${offset}`;
  let best = -1;
  for (const [key, value] of Object.entries(table)) {
    if (value > offset || value <= best) continue;
    name = key;
    best = value;
  }
  return name;
}

/** `mmu_lock.cnts`, `vCPU 1 mode`, `RCU of actor 2`, `dirty ring of vCPU 0 [3] offset`, ...; undefined for words of other parts. */
export function nameOfWord(kvm: Kvm, word: number): string | undefined {
  const { layout } = kvm;
  const { vcpus, extras, actors } = layout.dims;
  if (word >= layout.kvm && word < layout.vcpus) {
    const offset = word - layout.kvm;
    return KVM_NAMES[offset] ?? `kvm ${fieldName(KVM, offset)}`;
  }
  if (word >= layout.vcpus && word < layout.vcpus + vcpus * VCPU_WORDS) {
    const at = word - layout.vcpus;
    return `vCPU ${Math.floor(at / VCPU_WORDS)} ${fieldName(VCPU, at % VCPU_WORDS)}`;
  }
  /** Index into a region of `each` words per owner. */
  const within = (from: number, each: number, owners: number): { owner: number; at: number } | undefined =>
    word < from || word >= from + each * owners
      ? undefined
      : { owner: Math.floor((word - from) / each), at: (word - from) % each };
  const rcu = within(layout.rcu, 1, Math.max(actors, vcpus));
  if (rcu !== undefined) return `RCU of actor ${rcu.owner}`;
  const pml = within(layout.pml, extras?.pmlEntries ?? 0, vcpus);
  if (pml !== undefined) return `PML of vCPU ${pml.owner} [${pml.at}]`;
  const ring = within(layout.rings, (extras?.ringEntries ?? 0) * RING_ENTRY_WORDS, vcpus);
  if (ring !== undefined) {
    const part = ring.at % RING_ENTRY_WORDS === 0 ? '' : ' offset';
    return `dirty ring of vCPU ${ring.owner} [${Math.floor(ring.at / RING_ENTRY_WORDS)}]${part}`;
  }
  const psc = within(layout.psc, (extras?.pscEntries ?? 0) * PSC_ENTRY_WORDS, vcpus);
  if (psc !== undefined) return `PSC of vCPU ${psc.owner} [${Math.floor(psc.at / PSC_ENTRY_WORDS)}]`;
  const tlb = within(layout.tlb, layout.tlbWords, vcpus);
  if (tlb !== undefined) return `TLB of vCPU ${tlb.owner}`;
  if (extras?.hostMap === true) {
    const frame = within(layout.frames, 1, extras.spareFrames + 2);
    if (frame !== undefined) return `free host frames [${frame.owner}]`;
  }
  return undefined;
}
