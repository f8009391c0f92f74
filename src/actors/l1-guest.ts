/** What L1 does on its own vCPU: uses its memory, and edits the tables it has made for L2. */
import type { Steps } from '../cpu/steps.ts';
import { Op } from '../cpu/steps.ts';
import { C } from '../cpu/counters.ts';
import { ACC_EXEC, ACC_WRITE } from '../mmu/format.ts';
import { faultsForNothing } from '../mmu/environment.ts';
import { inveptDone, sendInvept } from '../mmu/invept.ts';
import { KVM } from '../mmu/kvm.ts';
import { PG_LEVEL_1G } from '../mmu/config.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import { mayHoldTable } from '../mmu/shadow-page.ts';
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE } from '../mmu/shadow/walk-addr.ts';
import type { Vcpu } from '../mmu/vcpu.ts';
import { REQ_EVENT, REQ_PAUSE, ROOT_L1, VCPU } from '../mmu/vcpu-words.ts';
import type { CastOptions } from './context.ts';
import { drawMove, movesOfSchedule } from './swarm.ts';
import {
  entryGfn,
  executeOnlyLeaf,
  flipPermission,
  freeTables,
  isLeaf,
  isMapped,
  leafLike,
  mergedLeaf,
  newLeaf,
  splitLeaf,
  tableGpte,
  randomTarget,
  TRIES,
  walkL1,
  type GpteValue,
  type L1Entry,
} from './l1-tables.ts';
import { Access, type Guest } from './run-vcpu.ts';

/** Code of L1: puts what comes next into the guest's `next` and yields; not visible operations. */
type Code = Generator<void, void, void>;

export const L1_MOVES = [
  'read',
  'write',
  'exec',
  'map',
  'unmap',
  'remap',
  'alias',
  'protect',
  'partial',
  'hugeToTable',
  'tableToHuge',
  'reuse',
  'executeOnly',
  'tableExec',
  'unmapTable',
  'scatter',
] as const;
export type L1Move = (typeof L1_MOVES)[number];

/** How an entry is stored to; see Vcpu.store. */
interface StoreKind {
  readonly partial?: boolean;
  readonly keepsAd?: boolean;
}

/** Accesses of L1 per stay in guest mode. */
const BURST = 16;

const IDLE = 0;
const LOCK = 1;
const UNLOCK = 2;
const INVEPT = 3;

export class L1Guest implements Guest {
  readonly next = new Access();
  readonly burst = BURST;
  readonly bounded: boolean;
  private readonly vcpu: Vcpu;
  private readonly options: CastOptions;
  private readonly slots: readonly MemSlot[];
  private readonly code: Code;
  private doing = IDLE;
  private hasLock = false;
  private roots = 0;
  private generation = 0;

  constructor(vcpu: Vcpu, options: CastOptions) {
    this.vcpu = vcpu;
    this.options = options;
    this.bounded = options.rounds > 0;
    this.slots = vcpu.kvm.slots.filter(({ config }) => options.slots.includes(config.id));
    this.code = this.play();
  }

  advance(): boolean {
    const { next, vcpu } = this;
    vcpu.store.q = 0;
    next.outside = false;
    next.spurious = false;
    return this.code.next().done !== true;
  }

  /** One move per round, drawn by weight, as every other member of the cast does (src/actors/rounds.ts). */
  private *play(): Code {
    const { options } = this;
    const rng = this.vcpu.cpu.workload;
    const moves = movesOfSchedule(rng, L1_MOVES, options.weights, options.swarm);
    if (moves.length === 0) return;
    const { cpu } = this.vcpu;
    while (cpu.nextMove(options.rounds)) {
      cpu.doing = drawMove(rng, moves);
      yield* this.move(cpu.doing as L1Move);
    }
  }

  private *move(move: L1Move): Code {
    if (move === 'read') return yield* this.access(this.anyPage(), ACCESS_READ);
    if (move === 'exec') return yield* this.access(this.anyPage(), ACCESS_EXEC);
    if (move === 'write') {
      const gfn = this.anyPage();
      // L1 does not scribble over its own tables.
      return yield* this.access(gfn, mayHoldTable(this.vcpu.kvm, gfn) ? ACCESS_READ : ACCESS_WRITE);
    }
    yield* this.outsideOf(LOCK);
    // Another vCPU of L1 is at work on the tables: L1 does something else meanwhile.
    if (!this.hasLock) return yield* this.access(this.anyPage(), ACCESS_READ);
    yield* this.edit(move);
    yield* this.outsideOf(UNLOCK);
  }

  private *edit(move: Exclude<L1Move, 'read' | 'write' | 'exec'>): Code {
    const { kvm } = this.vcpu;
    const rng = this.vcpu.cpu.workload;
    switch (move) {
      case 'map': {
        const entry = this.find((e) => !isMapped(kvm, e) && e.level <= PG_LEVEL_1G);
        const gfn = entry === undefined ? -1 : this.target(entry.level);
        if (gfn >= 0) yield* this.change(entry!, newLeaf(kvm, gfn, entry!.level), false);
        return;
      }
      case 'unmap': {
        const entry = this.find((e) => isLeaf(kvm, e));
        if (entry !== undefined) yield* this.change(entry, { lo: 0, hi: 0 }, true);
        return;
      }
      case 'remap': {
        const entry = this.find((e) => isLeaf(kvm, e));
        const gfn = entry === undefined ? -1 : this.target(entry.level);
        if (gfn >= 0) yield* this.change(entry!, this.leaf(entry!, gfn), true);
        return;
      }
      case 'alias': {
        const entry = this.find((e) => isLeaf(kvm, e));
        const other = this.find((e) => isLeaf(kvm, e) && e.level === entry?.level && e.q !== entry.q);
        if (other !== undefined) yield* this.change(entry!, this.leaf(entry!, entryGfn(other)), true);
        return;
      }
      case 'protect': {
        // Now and then all that is below a table entry.
        const table = rng.chance(0.25);
        const entry = this.find((e) => isMapped(kvm, e) && isLeaf(kvm, e) !== table);
        if (entry === undefined) return;
        const flipped = flipPermission(kvm, entry, rng.chance(0.75) ? ACC_WRITE : ACC_EXEC);
        return yield* this.change(entry, flipped, flipped.less, { keepsAd: true });
      }
      case 'partial': {
        // A one-byte instruction that flips W: KVM takes a table that is written like this for none (A5).
        const entry = this.find((e) => isMapped(kvm, e));
        if (entry === undefined) return;
        const flipped = flipPermission(kvm, entry, ACC_WRITE);
        return yield* this.change(entry, flipped, flipped.less, { keepsAd: true, partial: true });
      }
      case 'tableExec': {
        const entry = this.find((e) => isMapped(kvm, e) && !isLeaf(kvm, e));
        if (entry === undefined) return;
        const flipped = flipPermission(kvm, entry, ACC_EXEC);
        return yield* this.change(entry, flipped, flipped.less, { keepsAd: true });
      }
      case 'unmapTable': {
        const entry = this.find((e) => isMapped(kvm, e) && !isLeaf(kvm, e) && e.level === 2);
        if (entry !== undefined) yield* this.change(entry, { lo: 0, hi: 0 }, true);
        return;
      }
      case 'executeOnly': {
        const entry = this.find((e) => isLeaf(kvm, e));
        const value = entry === undefined ? undefined : executeOnlyLeaf(kvm, entry);
        if (value !== undefined) yield* this.change(entry!, value, true, { keepsAd: true });
        return;
      }
      case 'hugeToTable':
        return yield* this.breakHuge((entry) => splitLeaf(kvm, entry));
      case 'scatter':
        // Other pages than before, as after a move of the memory to where it is fragmented.
        return yield* this.breakHuge((entry) =>
          splitLeaf(kvm, entry).map((value) => {
            const gfn = this.target(entry.level - 1);
            return gfn < 0 ? value : leafLike(kvm, value, gfn, true, true);
          }),
        );
      case 'tableToHuge': {
        const entry = this.find((e) => mergedLeaf(kvm, e) !== undefined);
        if (entry !== undefined) yield* this.change(entry, mergedLeaf(kvm, entry)!, true);
        return;
      }
      case 'reuse': {
        const free = freeTables(kvm);
        if (free.length > 0) yield* this.access(free[rng.below(free.length)]!, ACCESS_WRITE);
      }
    }
  }

  /** Fills a free table, if there is one, and puts it where a huge page was. */
  private *breakHuge(valuesFor: (entry: L1Entry) => readonly GpteValue[]): Code {
    const { kvm } = this.vcpu;
    const entry = this.find((e) => isLeaf(kvm, e) && e.level > 1);
    const [table] = entry === undefined ? [] : freeTables(kvm);
    if (table === undefined) return;
    const first = kvm.guestTablesQ + (table - kvm.config.tableGfn) * kvm.entries;
    const values = valuesFor(entry!);
    for (let i = 0; i < values.length; i++) yield* this.store(table, first + i, values[i]!);
    yield* this.change(entry!, tableGpte(kvm, table), true);
  }

  /** Any page of the slots. */
  private anyPage(): number {
    const pages = this.slots.reduce((sum, { npages }) => sum + npages, 0);
    let page = this.vcpu.cpu.workload.below(pages);
    for (const { baseGfn, npages } of this.slots) {
      if (page < npages) return baseGfn + page;
      page -= npages;
    }
    return 0;
  }

  /** A page of `level` to map, or -1. */
  private target(level: number): number {
    return randomTarget(this.vcpu.kvm, this.slots, level, this.vcpu.cpu.workload);
  }

  private leaf(entry: L1Entry, gfn: number): GpteValue {
    const rng = this.vcpu.cpu.workload;
    return leafLike(this.vcpu.kvm, entry, gfn, rng.chance(0.75), rng.chance(0.75));
  }

  /** An entry on the way to one of L2's pages, the lowest that fits. */
  private find(fits: (entry: L1Entry) => boolean): L1Entry | undefined {
    const { ranges } = this.options;
    const rng = this.vcpu.cpu.workload;
    for (let tries = 0; tries < TRIES && ranges.length > 0; tries++) {
      const range = ranges[rng.below(ranges.length)]!;
      const path = walkL1(this.vcpu.kvm, range.root, range.l2Gfn + rng.below(range.pages));
      const found = path.reverse().find(fits);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Changes an entry, and executes INVEPT where L1 relies on what it took away. */
  private *change(entry: L1Entry, value: GpteValue, invept: boolean, how: StoreKind = {}): Code {
    const { cpu } = this.vcpu;
    yield* this.store(entry.tableGfn, entry.q, value, how);
    cpu.count(C.l1Edits);
    if (!invept) return;
    // INVEPT of one context, or now and then of all.
    this.roots = cpu.workload.chance(0.25) ? (1 << this.vcpu.kvm.config.roots.length) - 1 : 1 << entry.root;
    yield* this.outsideOf(INVEPT);
  }

  private *store(gfn: number, q: number, { lo, hi }: GpteValue, how: StoreKind = {}): Code {
    const { partial = false, keepsAd = false } = how;
    Object.assign(this.vcpu.store, { q, lo, hi, partial, keepsAd });
    yield* this.access(gfn, ACCESS_WRITE);
  }

  private *access(gfn: number, access: number): Code {
    const { next, vcpu } = this;
    next.root = ROOT_L1;
    next.l2Gfn = gfn;
    next.access = access;
    next.spurious = faultsForNothing(vcpu);
    next.done = false;
    yield;
  }

  private *outsideOf(what: number): Code {
    const { next } = this;
    this.doing = what;
    next.outside = true;
    next.done = false;
    yield;
  }

  *outside(): Steps<void> {
    const { next } = this;
    const { kvm, cpu } = this.vcpu;
    const lock = kvm.base + KVM.l1Lock;
    switch (this.doing) {
      case LOCK:
        this.hasLock = true;
        if (kvm.config.l1Vcpus > 1) {
          if (cpu.stepped && cpu.stops(Op.Exchange, lock)) yield;
          this.hasLock = cpu.exchange(lock, 1) === 0;
        }
        next.done = true;
        break;
      case UNLOCK:
        if (kvm.config.l1Vcpus > 1) {
          if (cpu.stepped && cpu.stops(Op.Store, lock)) yield;
          cpu.store(lock, 0);
        }
        next.done = true;
        break;
      case INVEPT:
        yield* this.invept();
    }
  }

  /** Sends the IPIs, then halts until all are answered. What wakes it up otherwise is a reason to look around. */
  private *invept(): Steps<void> {
    const { kvm, cpu } = this.vcpu;
    if (this.generation === 0) this.generation = yield* sendInvept(kvm, cpu, this.roots);
    const requests = this.vcpu.word(VCPU.requests);
    // Cleared before the answers are read: one that comes after that wakes us up.
    if (cpu.stepped && cpu.stops(Op.And, requests)) yield;
    const seen = cpu.and(requests, ~(REQ_EVENT | REQ_PAUSE));
    if (yield* inveptDone(kvm, cpu, this.generation)) {
      kvm.observer.l1Invalidated(cpu, this.roots);
      this.generation = 0;
      this.next.done = true;
      return;
    }
    if ((seen & REQ_PAUSE) !== 0) return;
    const halted = seen & ~REQ_EVENT;
    if (cpu.stepped && cpu.stops(Op.Wait, requests, halted)) yield;
    cpu.wait(requests, halted);
  }
}
