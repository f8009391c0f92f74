/** What one split pass carries along; made once per pass, so that an attempt allocates nothing. */
import type { Cpu } from '../../cpu/cpu.ts';
import type { Kvm } from '../kvm.ts';
import type { SplitCaches } from '../memory-cache.ts';
import type { MemSlot } from '../memslot.ts';
import { RmapIterator } from '../pte-list.ts';

export class SplitPass {
  readonly kvm: Kvm;
  readonly cpu: Cpu;
  readonly caches: SplitCaches;
  readonly slot: MemSlot;
  readonly iterator: RmapIterator = new RmapIterator();
  /** The huge SPTE in work: its value as snapshotted, level and gfn. */
  hugeLo = 0;
  hugeHi = 0;
  level = 0;
  gfn = 0;
  /** The child holds a present non-leaf entry: parts of it may be unmapped (3.7 step 2b). */
  childHasTables = false;
  /** The filling of the child has emptied a reverse map: entries of the child are missing (H-A). */
  recycled = false;
  /** The child was found, not made. */
  childReused = false;
  /** Unsync pages met while looking the child up (3.8 step 3); they are zapped before the split goes on. */
  readonly unsyncHits: number[] = [];
  /** The design defers the flush of a split, and this pass has splits that no flush has covered (9.4). */
  owes = false;
  /** Gfns of those splits, as one range; meaningful while `owes`. */
  owedStart = 0;
  owedEnd = 0;
  /** Attempts since the lock was last taken that split something. */
  splitsThisHold = 0;

  constructor(kvm: Kvm, cpu: Cpu, caches: SplitCaches, slot: MemSlot) {
    this.kvm = kvm;
    this.cpu = cpu;
    this.caches = caches;
    this.slot = slot;
  }

  /** The huge page just split joins what is owed. */
  owe(): void {
    const end = this.gfn + this.kvm.pages(this.level);
    this.owedStart = this.owes ? Math.min(this.owedStart, this.gfn) : this.gfn;
    this.owedEnd = this.owes ? Math.max(this.owedEnd, end) : end;
    this.owes = true;
  }
}
