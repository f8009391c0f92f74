/**
 * The order in which a recording has two threads act: of all events from one operation on, whose is the next. The model's
 * threads are let go in that order, event by event; where it differs from the recording in number, it goes on all the same.
 */
import { HELD_MMU_READ, HELD_MMU_WRITE, type Cpu } from '../cpu/cpu.ts';
import type { EventType } from './events.ts';
import type { Recording } from './recording.ts';
import { walkProgress } from './walk-progress.ts';

export type Thread = 'main' | 'background';

/** Told by the kernel alone, or an input. */
const NOT_TOLD: ReadonlySet<EventType> = new Set([
  'probe_cond_resched_write',
  'probe_cond_resched_read',
  'probe_range_split_begin',
  'probe_range_split_end',
  'kvm_unmap_hva_range',
]);

/** The time between an operation and the next one, as a number that sorts. */
export const afterOp = (op: number): number => op + 0.5;

interface Turn {
  /** Position among the events of both threads. */
  readonly at: number;
  readonly op: number;
  readonly type: EventType;
  /** Page of a fault. */
  readonly page: number;
  /** The fault was a write to a present entry. */
  readonly writeProtected: boolean;
  /** Level that a fault is about to map at. */
  readonly level: number;
  /** Of a yield: the gfn that must be behind the walk. */
  readonly behind: number;
}

const NO_TURN = { page: -1, level: 0, writeProtected: false, behind: -1 };

class ThreadOrder {
  readonly turns: Turn[] = [];
  told = 0;

  get next(): Turn | undefined {
    return this.turns[this.told];
  }
}

export class OrderGuide {
  private readonly threads: Readonly<Record<Thread, ThreadOrder>> = {
    main: new ThreadOrder(),
    background: new ThreadOrder(),
  };
  private readonly types = new Set<EventType>();
  /** The main thread is in a yield; how often it had released mmu_lock before. */
  private yielding: { readonly cpu: Cpu; readonly releases: number } | undefined;

  /** Of the events of `fromOp` and later operations. */
  constructor(recording: Recording, fromOp: number) {
    const progress = walkProgress(recording);
    let at = 0;
    let op = 0;
    for (const [index, event] of recording.events.entries()) {
      op = event.op ?? afterOp(Math.floor(op));
      if (op < fromOp) continue;
      const order = this.threads[event.task === undefined ? 'main' : 'background'];
      if (event.type === 'probe_cond_resched_write' || event.type === 'probe_cond_resched_read') {
        if (event.ret === 1 && event.task === undefined) {
          const behind = progress.get(index) ?? -1;
          order.turns.push({ ...NO_TURN, at: at++, op, type: event.type, behind });
        }
      }
      if (NOT_TOLD.has(event.type)) continue;
      this.types.add(event.type);
      const page = event.type === 'kvm_page_fault' ? pageOf(event.address) : -1;
      const writeProtected =
        event.type === 'kvm_page_fault' && (Number.parseInt(event.error_code.slice(-2), 16) & 3) === 3;
      const level = event.type === 'kvm_mmu_spte_requested' ? event.level : 0;
      const times = event.type === 'kvm_tdp_mmu_spte_changed' ? (event.count ?? 1) : 1;
      for (let k = 0; k < times; k++)
        order.turns.push({ ...NO_TURN, at: at++, op, type: event.type, page, level, writeProtected });
    }
  }

  /** The model has told an event, as often as `count` says. */
  tell(thread: Thread, type: EventType): void {
    if (!this.types.has(type)) return;
    this.endYield();
    const order = this.threads[thread];
    // Yields that no walk has come to are over.
    while (order.next?.type.startsWith('probe_cond_resched_') === true) order.told++;
    order.told++;
  }

  /** Whose event comes next among those of operations up to `op`. */
  wants(op: number): Thread | undefined {
    this.endYield();
    const main = this.threads.main.next;
    const background = this.threads.background.next;
    const first = (main?.at ?? Infinity) < (background?.at ?? Infinity) ? main : background;
    if (first === undefined || first.op > op) return undefined;
    return first === main ? 'main' : 'background';
  }

  /** Events that the thread has told. */
  told(thread: Thread): number {
    return this.threads[thread].told;
  }

  /** The thread's next event. */
  next(
    thread: Thread,
  ): { readonly type: EventType; readonly page: number; readonly writeProtected: boolean } | undefined {
    return this.threads[thread].next;
  }

  /** Does the background map a huge page before the main thread tells its next event? */
  mapsHugeFirst(): boolean {
    const { main, background } = this.threads;
    const until = main.next?.at ?? Infinity;
    for (let k = background.told; ; k++) {
      const turn = background.turns[k];
      if (turn === undefined || turn.at > until) return false;
      if (turn.level > 1) return true;
    }
  }

  /** A walk of the main thread at `gfn` asks whether it has to give the lock up: takes one such yield, if it is due. */
  takesYield(cpu: Cpu, gfn: number): boolean {
    const { next } = this.threads.main;
    const held = (cpu.held & HELD_MMU_READ) === 0 ? 'probe_cond_resched_write' : 'probe_cond_resched_read';
    if (next?.type !== held || next.behind > gfn) return false;
    this.yielding = { cpu, releases: cpu.mmuReleases };
    return true;
  }

  /** A yield is told when it is over: the lock was dropped, and is taken again. */
  private endYield(): void {
    const { yielding } = this;
    if (yielding === undefined || yielding.cpu.mmuReleases === yielding.releases) return;
    if ((yielding.cpu.held & (HELD_MMU_READ | HELD_MMU_WRITE)) === 0) return;
    this.yielding = undefined;
    this.threads.main.told++;
  }
}

const pageOf = (address: string): number => Math.floor(Number.parseInt(address, 16) / 4096);
