/**
 * Pages that were zapped, and roots (kernel-facts 6.1 and 6.4, Q15, Q16, Q51): an invalid page lives on only as a root of
 * somebody, and nobody's root is a page that was freed.
 */
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { isShadowPresent } from '../mmu/format.ts';
import { roleInvalid } from '../mmu/role.ts';
import { SP, SP_ACTIVE } from '../mmu/shadow-page.ts';
import { ROOT_L1, VCPU } from '../mmu/vcpu-words.ts';
import { entryName, pageName } from './naming.ts';
import { pageWalk, type PageWalk } from './page-walk.ts';
import type { ReportBroken, StateCheck } from './types.ts';

/** Scratch: how many roots of vCPUs name each header. */
let references = new Int32Array(1024);

/** Q51, and the references for Q16. */
function countRoots(kvm: Kvm, broken: ReportBroken): void {
  const { tables } = kvm.layout.dims;
  if (references.length <= tables) references = new Int32Array(tables + 1);
  references.fill(0, 0, tables + 1);
  for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) {
    const first = kvm.vcpuWord(vcpu) + VCPU.roots;
    for (let root = 0; root <= ROOT_L1; root++) {
      const sp = kvm.w[first + root]!;
      if (sp === 0) continue;
      if (sp < 0 || sp > tables || kvm.w[kvm.tableOwner + kvm.w[kvm.header(sp) + SP.table]!] !== sp) {
        broken('Q51', `root ${root} of vCPU ${vcpu} is ${pageName(kvm, sp)}, which was freed`, [
          first + root,
        ]);
      } else references[sp]!++;
    }
  }
}

/** Q16 of one page of the shadow MMU. */
function checkRootCount(walk: PageWalk, sp: number): void {
  const { kvm } = walk;
  const word = kvm.header(sp) + SP.rootCount;
  if (kvm.w[word] === references[sp] || !walk.admit('Q16')) return;
  walk.report(
    'Q16',
    `${pageName(kvm, sp)} has root_count ${kvm.w[word]}, and ${references[sp]} roots of vCPUs name it`,
    [word],
  );
}

/** Q15 of one page. */
function checkInvalid(walk: PageWalk, sp: number): void {
  const { kvm } = walk;
  const { w } = kvm;
  const header = kvm.header(sp);
  const say = (what: string, word: number): void => {
    if (walk.admit('Q15')) walk.report('Q15', `${pageName(kvm, sp)} was zapped, and ${what}`, [word]);
  };
  if (w[header + SP.parentPtes] !== 0) say('still has parents', header + SP.parentPtes);
  if ((w[header + SP.flags]! & SP_ACTIVE) !== 0) say('is still active', header + SP.flags);
  // kvm_zap_obsolete_pages() keeps what it has zapped until it commits, over drops of mmu_lock.
  if (w[header + SP.rootCount] === 0 && kvm.get(KVM.obsoletePages) === 0) {
    say('is no root of anybody', header + SP.rootCount);
  }
  const table = w[header + SP.table]!;
  if (table < 1 || table > kvm.layout.dims.tables) return;
  const first = kvm.tablesQ + (table << kvm.tableBits);
  for (let i = 0; i < kvm.entries; i++) {
    if (!isShadowPresent(w[(first + i) * 2]!)) continue;
    if (walk.admit('Q15'))
      walk.report('Q15', `${entryName(kvm, sp, i)} is present, and its page was zapped`, [(first + i) * 2]);
    return;
  }
}

/** Pages of the hash that are not active: those that were zapped. */
function checkHash(walk: PageWalk): void {
  const { kvm } = walk;
  const { w } = kvm;
  const first = kvm.layout.hash;
  const end = first + (1 << kvm.layout.dims.hashBits);
  for (let bucket = first; bucket < end; bucket++) {
    let left = kvm.layout.dims.tables;
    for (let sp = w[bucket]!; sp > 0 && sp <= kvm.layout.dims.tables && left > 0; left--) {
      if (roleInvalid(w[kvm.header(sp) + SP.role]!)) {
        checkInvalid(walk, sp);
        if (!walk.isLive(sp)) checkRootCount(walk, sp);
      }
      sp = w[kvm.header(sp) + SP.hashNext]!;
    }
  }
}

export const zappedCheck: StateCheck = {
  ids: ['Q15', 'Q16', 'Q51'],
  when: 'end',
  run(kvm, broken) {
    const walk = pageWalk(kvm);
    walk.begin(broken);
    countRoots(kvm, broken);
    for (let p = 0; p < walk.count; p++) checkRootCount(walk, walk.pages[p]!);
    // Pages are freed where they are zapped unless a root is left.
    if (kvm.get(KVM.invalidRoots) !== 0 || kvm.get(KVM.obsoletePages) !== 0) checkHash(walk);
  },
};
