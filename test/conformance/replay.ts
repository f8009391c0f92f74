// Replays a recording of the kernel on the model, operation by operation, and lists every difference.

import { Arena } from '../../src/arena/arena.ts';
import { computeLayout } from '../../src/arena/layout.ts';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { PlainCpu, RunLog } from '../../src/cpu/plain-cpu.ts';
import type { Steps } from '../../src/cpu/steps.ts';
import { bootVm } from '../../src/mmu/boot.ts';
import { KernelBug } from '../../src/mmu/bug.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import {
  clearDirtyLog,
  disableDirtyLogging,
  enableDirtyLogging,
  getDirtyLog,
} from '../../src/mmu/dirty-log.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { ERRNO_NAMES } from '../../src/mmu/errno.ts';
import { KVM, Kvm } from '../../src/mmu/kvm.ts';
import { Observer, type FlushReason, type RuleBreak } from '../../src/mmu/observer.ts';
import { roleAccess, roleLevel } from '../../src/mmu/role.ts';
import { spGfn, spRole } from '../../src/mmu/shadow-page.ts';
import { Vcpu } from '../../src/mmu/vcpu.ts';
import { ACCESS_BITS, runAlone } from '../../src/scenario/start.ts';
import type {
  Observed,
  Operation,
  Recording,
  Snapshot,
  SplitEvent,
  SplitTable,
} from '../fixtures/recording.ts';
import {
  clearUserBitmap,
  configOf,
  dimsOf,
  l2Access,
  modelSnapshot,
  NotReplayable,
  setNrMmuPages,
  slotById,
  userBitmap,
} from './machine.ts';

/** L2's code page, which every run of L2 fetches from before it does its accesses. */
const L2_CODE_GFN = 9;
/** Runs of dirty pages that a recording lists. */
const LISTED_RUNS = 16;

export interface ReplayResult {
  /** One line each; empty if the model did what the kernel did. */
  readonly differences: readonly string[];
  /** What was compared. */
  readonly operations: number;
  readonly splits: number;
  readonly snapshots: readonly string[];
}

/** What the model does during one operation, in the form of a recording. */
class Recorder extends Observer implements Pick<Observed, 'flushes' | 'flushes_in_split'> {
  splits: SplitEvent[] = [];
  flushes = 0;
  flushes_in_split = 0;
  sp_new: SplitTable[] = [];
  sp_existing: SplitTable[] = [];
  brokenRules: string[] = [];
  private readonly kvm: Kvm;
  private inSplit = false;

  constructor(kvm: Kvm) {
    super();
    this.kvm = kvm;
  }

  begin(): void {
    this.splits = [];
    this.flushes = 0;
    this.flushes_in_split = 0;
    this.sp_new = [];
    this.sp_existing = [];
    this.brokenRules = [];
    this.inSplit = false;
  }

  override broken(_cpu: Cpu, rule: RuleBreak): void {
    this.brokenRules.push(`rule ${rule.id}: ${rule.text}`);
  }

  override splitAttempt(
    _cpu: Cpu,
    gfn: number,
    level: number,
    _lo: number,
    _hi: number,
    errno: number,
  ): void {
    this.splits.push([gfn, level, errno]);
  }

  override splitPass(_cpu: Cpu, _slot: number, _start: number, _end: number, begin: boolean): void {
    this.inSplit = begin;
  }

  override flush(_cpu: Cpu, _reason: FlushReason, _gfn: number, _pages: number): void {
    this.flushes++;
    if (this.inSplit) this.flushes_in_split++;
  }

  override getPage(_cpu: Cpu, sp: number, created: boolean): void {
    if (!this.inSplit) return;
    const role = spRole(this.kvm, sp);
    const table = [spGfn(this.kvm, sp), roleLevel(role), roleAccess(role)] as const;
    if (created) this.sp_new.push(table);
    else this.sp_existing.push(table);
  }
}

/** Replays `recording` with `engine`, adding the reschedules that the recording names as its input. */
export function replay(recording: Recording, engine: Engine = P1_ENGINE): ReplayResult {
  return new Replay(recording, engine).run();
}

class Replay {
  private readonly recording: Recording;
  private readonly kvm: Kvm;
  private readonly recorder: Recorder;
  /** User space's thread and the vCPU's; each visible operation must have been announced. */
  private readonly user: PlainCpu;
  private readonly vcpu: Vcpu;
  private readonly differences: string[] = [];
  private forced: readonly number[] = [];

  constructor(recording: Recording, engine: Engine) {
    if (recording.setup.vcpus !== 1) throw new NotReplayable(`${recording.name} has more than one vCPU`);
    const config = configOf(recording);
    const arena = Arena.tracked(computeLayout(dimsOf(recording, config, 2)));
    const log = new RunLog();
    this.recording = recording;
    this.kvm = new Kvm(config, arena, this.withTopups(engine));
    this.user = new PlainCpu(arena, log, { actor: 0, name: 'user space', cls: 'dirty-log' });
    const thread = new PlainCpu(arena, log, { actor: 1, name: 'vCPU 0', cls: 'l2-vcpu' });
    this.vcpu = new Vcpu(this.kvm, thread, 0);
    this.recorder = new Recorder(this.kvm);
    this.kvm.observer = this.recorder;
    bootVm(this.kvm);
  }

  /** A reschedule at exactly the attempts where the recording has one. */
  private withTopups(engine: Engine): Engine {
    return {
      ...engine,
      needTopupSplitCachesOrResched: (kvm, cpu, caches) =>
        engine.needTopupSplitCachesOrResched(kvm, cpu, caches) ||
        this.forced.includes(this.recorder.splits.length),
    };
  }

  run(): ReplayResult {
    let operations = 0;
    let splits = 0;
    const snapshots: string[] = [];
    for (const operation of this.recording.operations) {
      this.recorder.begin();
      this.forced = operation.topups;
      if (!this.perform(operation)) break;
      this.compare(operation);
      operations++;
      splits += operation.splits.length;
      if (operation.type === 'snapshot') snapshots.push(operation.tag);
    }
    return { differences: this.differences, operations, splits, snapshots };
  }

  /** False if the model hit a bug of the kernel's kind: nothing after it is worth comparing. */
  private perform(operation: Operation): boolean {
    try {
      this.performUnguarded(operation);
      return true;
    } catch (error) {
      if (!(error instanceof KernelBug)) throw error;
      this.differ(operation, `the model stopped with ${error.id}: ${error.message}`);
      return false;
    }
  }

  private performUnguarded(operation: Operation): void {
    const { kvm, user } = this;
    switch (operation.type) {
      case 'access':
        this.access(operation);
        break;
      case 'dirty_logging_on':
        this.ioctl(enableDirtyLogging(kvm, user, slotById(kvm, operation.slot)));
        break;
      case 'dirty_logging_off':
        this.ioctl(disableDirtyLogging(kvm, user, slotById(kvm, operation.slot)));
        break;
      case 'enable_manual_protect':
        kvm.put(KVM.manualProtect, operation.flags);
        break;
      case 'clear_dirty_log': {
        const bits = BigInt(`0x${operation.word_mask}`);
        const mask = { lo: Number(BigInt.asIntN(32, bits)), hi: Number(BigInt.asIntN(32, bits >> 32n)) };
        const slot = slotById(kvm, operation.slot);
        this.ioctl(clearDirtyLog(kvm, user, slot, operation.first_page, operation.num_pages, mask));
        break;
      }
      case 'get_dirty_log': {
        const slot = slotById(kvm, operation.slot);
        clearUserBitmap(kvm, slot);
        const reported = this.ioctl(getDirtyLog(kvm, user, slot));
        this.same(operation, 'dirty pages', operation.dirty_total, reported);
        break;
      }
      case 'set_nr_mmu_pages':
        this.ioctl(setNrMmuPages(kvm, user, operation.value));
        break;
      case 'set_memslot':
      case 'npt12_root':
      case 'npt12_map':
        // The machine has all slots and L1's tables from the start: no recording looks at them before they are complete.
        break;
      case 'snapshot':
        break;
      case 'module_param':
        this.checkModuleParam(operation);
        break;
      case 'background_start':
      case 'background_join':
      case 'set_l1_cr4':
        throw new NotReplayable(`${this.recording.name}: ${operation.type}`);
    }
    if (user.held !== 0 || this.vcpu.cpu.held !== 0) this.differ(operation, 'the model still holds a lock');
  }

  /** `setup` has the values that hold during the case: set by its first operations, and undone by its last. */
  private checkModuleParam(operation: Operation & { readonly type: 'module_param' }): void {
    const { setup, operations } = this.recording;
    const later = operations.slice(operations.indexOf(operation));
    if (setup.module_params[operation.name] === operation.value) return;
    if (later.some(({ type }) => type !== 'module_param')) {
      throw new NotReplayable(`${this.recording.name}: ${operation.name} changes in the middle`);
    }
  }

  private access(operation: Operation & { readonly type: 'access' }): void {
    const { access, root: name } = operation;
    const root = this.recording.setup.npt12_roots.findIndex((each) => each.name === name);
    if (operation.mode !== 'l2' || access === 'slow_write' || root === -1) {
      throw new NotReplayable(
        `${this.recording.name}: operation ${operation.op} is not a plain access by L2`,
      );
    }
    runAlone(l2Access(this.vcpu, root, L2_CODE_GFN, ACCESS_BITS.exec));
    for (let k = 0; k < operation.count; k++) {
      const gfn = Math.floor((operation.address + k * operation.stride) / 4096);
      runAlone(l2Access(this.vcpu, root, gfn, ACCESS_BITS[access]));
    }
  }

  private ioctl<T>(steps: Steps<T>): T {
    return runAlone(steps);
  }

  private compare(operation: Operation): void {
    const { recorder } = this;
    for (const rule of recorder.brokenRules) this.differ(operation, rule);
    this.sameList(operation, 'split events', operation.splits, recorder.splits, showSplit);
    this.sameList(operation, 'new tables of the split', operation.sp_new, recorder.sp_new, showTable);
    this.sameList(
      operation,
      'reused tables of the split',
      operation.sp_existing,
      recorder.sp_existing,
      showTable,
    );
    this.same(operation, 'remote flushes', operation.flushes, recorder.flushes);
    this.same(
      operation,
      'remote flushes inside the split',
      operation.flushes_in_split,
      recorder.flushes_in_split,
    );
    if (operation.type === 'get_dirty_log') {
      const { runs, total } = userBitmap(this.kvm, slotById(this.kvm, operation.slot));
      this.same(operation, 'bits in the bitmap', operation.dirty_total, total);
      this.same(operation, 'runs of dirty pages', operation.n_runs, runs.length);
      const listed = runs.slice(0, LISTED_RUNS);
      this.sameList(
        operation,
        'runs of dirty pages',
        operation.dirty_runs,
        listed,
        ([gfn, n]) => `gfn ${gfn} x ${n}`,
      );
    }
    if (operation.type === 'snapshot') {
      const recorded = this.recording.snapshots[operation.tag];
      if (recorded === undefined) throw new NotReplayable(`there is no snapshot ${operation.tag}`);
      const model = flatten(modelSnapshot(this.kvm));
      const kernel = flatten(recorded);
      for (const key of new Set([...kernel.keys(), ...model.keys()])) {
        this.same(operation, key, kernel.get(key) ?? 0, model.get(key) ?? 0);
      }
    }
  }

  private same(operation: Operation, what: string, recorded: number, model: number): void {
    if (recorded !== model) this.differ(operation, `${what}: the kernel had ${recorded}, the model ${model}`);
  }

  private sameList<T extends readonly number[]>(
    operation: Operation,
    what: string,
    recorded: readonly T[],
    model: readonly T[],
    show: (item: T) => string,
  ): void {
    const length = Math.max(recorded.length, model.length);
    for (let i = 0; i < length; i++) {
      const kernel = recorded[i];
      const mine = model[i];
      if (kernel !== undefined && mine !== undefined && kernel.every((value, k) => value === mine[k]))
        continue;
      const text = (item: T | undefined): string => (item === undefined ? 'nothing more' : show(item));
      this.differ(
        operation,
        `${what}, number ${i}: the kernel had ${text(kernel)}, the model ${text(mine)} ` +
          `(${recorded.length} and ${model.length} in all)`,
      );
      return;
    }
  }

  private differ(operation: Operation, text: string): void {
    const tag = operation.type === 'snapshot' ? ` "${operation.tag}"` : '';
    this.differences.push(
      `${this.recording.name}, operation ${operation.op} (${operation.type}${tag}): ${text}`,
    );
  }
}

const showSplit = ([gfn, level, errno]: SplitEvent): string =>
  `gfn ${gfn} level ${level} ${ERRNO_NAMES[errno] ?? errno}`;
const showTable = ([gfn, level, access]: SplitTable): string => `gfn ${gfn} level ${level} access ${access}`;

/** Every number of a snapshot under its name. */
function flatten(snapshot: Snapshot): Map<string, number> {
  const numbers = new Map<string, number>();
  const add = (prefix: string, values: Readonly<Record<string, number>>): void => {
    for (const [key, value] of Object.entries(values)) numbers.set(`${prefix} ${key}`, value);
  };
  numbers.set('n_used_mmu_pages', snapshot.n_used_mmu_pages);
  numbers.set('n_max_mmu_pages', snapshot.n_max_mmu_pages);
  numbers.set('indirect_shadow_pages', snapshot.indirect_shadow_pages);
  add('split cache', snapshot.split_caches);
  add('leaves of level', snapshot.leaves);
  add('writable leaves of level', snapshot.writable_leaves);
  add('shadow pages (level/direct/access)', snapshot.shadow_pages);
  for (const slot of snapshot.slots) {
    numbers.set(`slot ${slot.id} logs dirty pages`, slot.dirty_logging ? 1 : 0);
    add(`slot ${slot.id} rmap entries of level`, slot.rmap_entries);
  }
  return numbers;
}
