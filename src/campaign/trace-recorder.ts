/** Records the visible operations of one controlled run, and what the model said between them, for the trace report. */
import {
  HELD_HOST,
  HELD_MMU_READ,
  HELD_MMU_WRITE,
  HELD_SLOTS,
  HELD_SLOTS_ARCH,
  HELD_TDP_PAGES,
  HELD_UNSYNC_PAGES,
  Boundary,
  type Cpu,
} from '../cpu/cpu.ts';
import type { OpListener } from '../cpu/plain-cpu.ts';
import { is64, Op } from '../cpu/steps.ts';
import { briefWord, describeSpte, isSpteWord } from '../mmu/describe.ts';
import { RET_PF_NAMES } from '../mmu/errno.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { Observer, type FlushReason } from '../mmu/observer.ts';
import { describeRole } from '../mmu/role.ts';
import { spGfn, spRole } from '../mmu/shadow-page.ts';
import type { RecordedStep, SwitchReason } from '../report/trace.ts';
import type { Scheduler } from '../runtime/scheduler.ts';

const hex64 = (lo: number, hi: number): string =>
  `${hi === 0 ? '' : (hi >>> 0).toString(16)}${(lo >>> 0).toString(16).padStart(hi === 0 ? 1 : 8, '0')}`;

/** Trace events in the words of the kernel's tracepoints (kernel-facts 3.11). */
class EventLines extends Observer {
  private readonly say: (line: string) => void;
  private readonly kvm: () => Kvm;

  constructor(say: (line: string) => void, kvm: () => Kvm) {
    super();
    this.say = say;
    this.kvm = kvm;
  }

  /** The kernel has one tracepoint for both MMUs. */
  override tdpSplitAttempt(
    cpu: Cpu,
    gfn: number,
    level: number,
    lo: number,
    hi: number,
    errno: number,
  ): void {
    this.splitAttempt(cpu, gfn, level, lo, hi, errno);
  }

  override splitAttempt(_cpu: Cpu, gfn: number, level: number, lo: number, hi: number, errno: number): void {
    this.say(
      `kvm_mmu_split_huge_page: gfn ${gfn.toString(16)} spte ${hex64(lo, hi)} level ${level} errno ${errno}`,
    );
  }

  override getPage(_cpu: Cpu, sp: number, created: boolean): void {
    const kvm = this.kvm();
    const what = `gfn ${spGfn(kvm, sp).toString(16)} ${describeRole(spRole(kvm, sp))}`;
    this.say(`kvm_mmu_get_page: ${what} ${created ? 'new' : 'existing'}`);
  }

  override zapPage(_cpu: Cpu, sp: number): void {
    const kvm = this.kvm();
    this.say(`kvm_mmu_prepare_zap_page: gfn ${spGfn(kvm, sp).toString(16)} ${describeRole(spRole(kvm, sp))}`);
  }

  override flush(_cpu: Cpu, reason: FlushReason, gfn: number, pages: number): void {
    const range = pages === 0 ? '' : ` gfn ${gfn.toString(16)} pages ${pages.toString(16)}`;
    this.say(`kvm_flush_remote_tlbs: ${reason}${range}`);
  }

  override topup(_cpu: Cpu, low: boolean, result: number): void {
    this.say(`topup_split_caches: ${low ? 'caches low' : 'caches full'} result ${result}`);
  }

  override fault(_cpu: Cpu, gfn: number, level: number, result: number): void {
    this.say(`page fault: gfn ${gfn.toString(16)} level ${level} ${RET_PF_NAMES[result] ?? result}`);
  }

  override ioctl(_cpu: Cpu, name: string, slot: number, begin: boolean): void {
    this.say(`ioctl ${name} of slot ${slot} ${begin ? 'begins' : 'returns'}`);
  }
}

const LOCK_NAMES: readonly (readonly [bit: number, name: string])[] = [
  [HELD_MMU_WRITE, 'mmu_lock for write'],
  [HELD_MMU_READ, 'mmu_lock for read'],
  [HELD_SLOTS, 'slots_lock'],
  [HELD_SLOTS_ARCH, 'slots_arch_lock'],
  [HELD_TDP_PAGES, 'tdp_mmu_pages_lock'],
  [HELD_UNSYNC_PAGES, 'mmu_unsync_pages_lock'],
  [HELD_HOST, "the host's page-table lock"],
];

/** The HELD_ bits of those who can be in the way of one that waits on the word; 0 if it is no lock. */
function lockBits(kvm: Kvm, word: number): number {
  if (word === kvm.mmuLock.cnts || word === kvm.mmuLock.waitLock) return HELD_MMU_WRITE | HELD_MMU_READ;
  switch (word - kvm.base) {
    case KVM.slotsState:
      return HELD_SLOTS;
    case KVM.slotsArchState:
      return HELD_SLOTS_ARCH;
    case KVM.tdpPagesLock:
      return HELD_TDP_PAGES;
    case KVM.unsyncPagesLock:
      return HELD_UNSYNC_PAGES;
    case KVM.hostLock:
      return HELD_HOST;
    default:
      return 0;
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Records one run: install `events` beside the judge's observer, run `wrap(scheduler)` with the recorder as listener. */
export class TraceRecorder implements OpListener {
  readonly rows: RecordedStep[] = [];
  /** Who moved at each move; a move without an operation starts an actor. */
  readonly moves: number[] = [];
  /** The move that made each row. */
  readonly moveOf: number[] = [];
  /** To be installed beside the judge's observer. */
  readonly events: Observer;
  private readonly kvm: () => Kvm;
  private cpus: readonly Cpu[] = [];
  private last = -1;
  private couldGoOn = false;
  private reason: { because: SwitchReason; note: string } | undefined;
  private wasLo = 0;
  private wasHi = 0;
  private held = new Int32Array(0);
  /** Locks dropped by an actor whose next operation is the one that drops them. */
  private dropping: (string | undefined)[] = [];
  private lastRow = new Int32Array(0);
  private lastMove = new Int32Array(0);

  /** @param kvm asked for late: the runtime makes it */
  constructor(kvm: () => Kvm) {
    this.kvm = kvm;
    this.events = new EventLines((line) => this.addEvent(line), kvm);
  }

  /** The scheduler, watched: what it leaves behind says why it switched. */
  wrap(inner: Scheduler): Scheduler {
    return {
      begin: (actors, schedule) => {
        this.cpus = actors;
        this.held = new Int32Array(actors.length);
        this.lastRow = new Int32Array(actors.length).fill(-1);
        this.lastMove = new Int32Array(actors.length).fill(-1);
        this.dropping = actors.map(() => undefined);
        inner.begin(actors, schedule);
      },
      pick: (enabled, count, current) => {
        this.couldGoOn = enabled.subarray(0, count).includes(current);
        return inner.pick(enabled, count, current);
      },
      step: (actor) => {
        this.beforeMove(actor);
        inner.step?.(actor);
      },
      end: (decisions, steps, failed) => {
        this.noteLocks(this.last);
        inner.end?.(decisions, steps, failed);
      },
    };
  }

  private beforeMove(actor: number): void {
    const { w } = this.kvm();
    this.noteLocks(this.last);
    if (actor !== this.last) this.reason = this.whySwitched();
    this.last = actor;
    this.couldGoOn = false;
    this.moves.push(actor);
    const word = this.cpus[actor]!.pendingWord;
    this.wasLo = w[word]!;
    this.wasHi = w[word + 1] ?? 0;
  }

  private whySwitched(): { because: SwitchReason; note: string } {
    const before = this.cpus[this.last];
    if (before === undefined) return { because: 'start', note: 'the run begins' };
    if (this.couldGoOn && before.atSafepoint)
      return { because: 'yielded', note: `${before.name} at a safepoint` };
    if (this.couldGoOn && before.boundary === Boundary.Move)
      return { because: 'yielded', note: `${before.name} between two moves` };
    if (this.couldGoOn) return { because: 'preempted', note: `${before.name} preempted` };
    const kvm = this.kvm();
    const blocked = before.pendingOp === Op.Wait && kvm.w[before.pendingWord] === before.pendingExpected;
    if (!blocked) return { because: 'ended', note: `${before.name} has ended` };
    const bits = lockBits(kvm, before.pendingWord);
    const holders = this.cpus.filter((cpu) => cpu !== before && (cpu.held & bits) !== 0);
    const what = bits === 0 ? briefWord(kvm, before.pendingWord) : lockName(kvm, before.pendingWord);
    const held = holders.length === 0 ? '' : `, held by ${holders.map((cpu) => cpu.name).join(', ')}`;
    return { because: 'blocked', note: `${before.name} waits for ${what}${held}` };
  }

  /** Finds out which locks an actor has taken by its last operation, and which it is about to drop. */
  private noteLocks(actor: number): void {
    if (actor < 0) return;
    const now = this.cpus[actor]!.held;
    const before = this.held[actor]!;
    if (now === before) return;
    this.held[actor] = now;
    for (const [bit, name] of LOCK_NAMES) {
      if ((now & ~before & bit) !== 0) this.mark(this.lastRow[actor]!, { lock: { name, taken: true } });
      if ((before & ~now & bit) !== 0) this.dropping[actor] = name;
    }
  }

  private mark(row: number, more: Partial<RecordedStep>): void {
    const known = this.rows[row];
    if (known !== undefined) this.rows[row] = { ...known, ...more };
  }

  private show(op: number, word: number, lo: number, hi: number): string | number {
    const kvm = this.kvm();
    if (isSpteWord(kvm, word)) return describeSpte(kvm, lo, hi);
    return is64(op) ? `0x${hex64(lo, hi)}` : lo;
  }

  /** The value shown is what the word holds once the operation is done. */
  operation(cpu: Cpu, op: number, word: number): void {
    const kvm = this.kvm();
    const { w } = kvm;
    const [lo, hi] = [w[word]!, w[word + 1] ?? 0];
    const row: Mutable<RecordedStep> = {
      step: this.rows.length + 1,
      actor: cpu.actor,
      op,
      what: briefWord(kvm, word),
      value: this.show(op, word, lo, hi),
      word,
      was: this.show(op, word, this.wasLo, this.wasHi),
      changed: lo !== this.wasLo || (is64(op) && hi !== this.wasHi),
    };
    if (cpu.move !== this.lastMove[cpu.actor] && cpu.doing !== '') {
      row.move = `${cpu.doing} (move ${cpu.move})`;
      this.lastMove[cpu.actor] = cpu.move;
    }
    if (this.reason !== undefined) Object.assign(row, this.reason);
    this.reason = undefined;
    const dropped = this.dropping[cpu.actor];
    if (dropped !== undefined) row.lock = { name: dropped, taken: false };
    this.dropping[cpu.actor] = undefined;
    this.lastRow[cpu.actor] = this.rows.length;
    this.rows.push(row);
    this.moveOf.push(this.moves.length - 1);
  }

  /** An event belongs to the operation after which the model said it. */
  private addEvent(line: string): void {
    const at = this.rows.length - 1;
    this.mark(at, { events: [...(this.rows[at]?.events ?? []), line] });
  }
}

/** A waiter may be in the queue of a lock: it is the lock that it wants. */
const lockName = (kvm: Kvm, word: number): string =>
  briefWord(kvm, word === kvm.mmuLock.waitLock ? kvm.mmuLock.cnts : word);
