/**
 * Performs the operations of a recording on the model, one actor at a time, and writes what happens as a recording of the
 * model.
 */
import { Arena } from '../arena/arena.ts';
import { computeLayout } from '../arena/layout.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { PlainCpu, RunLog } from '../cpu/plain-cpu.ts';
import type { Steps } from '../cpu/steps.ts';
import { bootVm } from '../mmu/boot.ts';
import { KernelBug } from '../mmu/bug.ts';
import { defaultMmuPages } from '../mmu/config.ts';
import { clearDirtyLog, disableDirtyLogging, enableDirtyLogging, getDirtyLog } from '../mmu/dirty-log.ts';
import { isLogged } from '../mmu/log/enable.ts';
import type { Engine } from '../mmu/engine.ts';
import { KVM, Kvm } from '../mmu/kvm.ts';
import { MEMSLOT_GONE, type MemSlot } from '../mmu/memslot.ts';
import { setNrMmuPages } from '../mmu/reclaim.ts';
import { unloadMmu } from '../mmu/roots.ts';
import { ROOT_L1 } from '../mmu/vcpu-words.ts';
import { Vcpu } from '../mmu/vcpu.ts';
import { zapAllFast } from '../mmu/zap-all.ts';
import { mutexLock, mutexUnlock } from '../locks/mutex.ts';
import { Background } from './background.ts';
import { countsOf } from './counts.ts';
import { clearUserBitmap, dirtyPages } from './dirty-bitmap.ts';
import { dump } from './dump.ts';
import { guided } from './engine-for.ts';
import { EventRecorder } from './event-recorder.ts';
import { GuestTables } from './guest-tables.ts';
import { guestRun } from './guest-run.ts';
import { Inputs } from './inputs.ts';
import { isOn, machineOf, NotPerformable, rootKey, type RecordedMachine } from './machine.ts';
import type { Operation, OperationOf } from './operations.ts';
import { afterOp, OrderGuide } from './order-guide.ts';
import { PageNames } from './page-names.ts';
import type { Recording } from './recording.ts';
import type { Counters, Snapshot } from './snapshots.ts';
import { statistics } from './stats.ts';

/** `kernel.release` of the model's recordings. */
export const MODEL_RELEASE = 'splitstorm';

/** What came of it. */
export interface Performance {
  readonly recording: Recording;
  /** Why it ended before the last operation: a BUG of the model, or something it cannot do. */
  readonly stopped?: { readonly op: number; readonly text: string };
  /** Rules of the model that were broken on the way. */
  readonly broken: readonly string[];
}

/**
 * @param engine stands for the kernel of the recording
 * @throws NotPerformable if the machine cannot be built
 */
export function perform(recording: Recording, engine: Engine): Performance {
  return new Performer(recording, engine).run();
}

/** As the recordings call the thread of a vCPU in the background. */
const BACKGROUND_TASK = 'vcpu-thread';

/** The main thread only waits. */
function* nothing(): Steps<void> {}

class Performer {
  private readonly recorded: Recording;
  private readonly machine: RecordedMachine;
  private readonly engineName: string;
  private readonly kvm: Kvm;
  private readonly names: PageNames;
  private readonly recorder: EventRecorder;
  private readonly inputs: Inputs;
  private readonly tables: GuestTables;
  private readonly user: PlainCpu;
  private readonly vcpus: readonly Vcpu[];
  private readonly snapshots: Record<string, Snapshot> = {};
  private readonly stats: Record<string, Counters> = {};
  private cr4: string;
  private requested = 0;
  private runs = 0;
  private nestedRuns = 0;
  private toppedUp = false;
  private background: Background | undefined;
  /** Yields with a flush in the operation in progress. */
  private yieldsTaken = 0;

  constructor(recording: Recording, engine: Engine) {
    this.recorded = recording;
    this.engineName = engine.name;
    this.machine = machineOf(recording);
    this.inputs = new Inputs(recording);
    const arena = Arena.tracked(computeLayout(this.machine.dims));
    const log = new RunLog();
    const guide = guided(engine, {
      forcesTopup: () => this.inputs.of(this.recorder.op).topups.has(this.recorder.attempts),
      takesWalker: (cpu, flushOwed, gfn, level) =>
        this.takesWalker(cpu, flushOwed, level === 1 ? gfn : Infinity),
      topupBegin: (cpu) => {
        this.toppedUp = true;
        this.recorder.topupBegin(cpu);
      },
    });
    this.kvm = new Kvm(this.machine.config, arena, guide);
    this.names = new PageNames(this.kvm);
    this.recorder = new EventRecorder(this.kvm, this.names);
    this.kvm.observer = this.recorder;
    this.user = new PlainCpu(arena, log, { actor: 0, name: 'user space', cls: 'dirty-log' });
    this.vcpus = Array.from({ length: this.machine.config.vcpus }, (_, index) => {
      const cpu = new PlainCpu(arena, log, { actor: index + 1, name: `vCPU ${index}`, cls: 'l1-vcpu' });
      return new Vcpu(this.kvm, cpu, index);
    });
    bootVm(this.kvm);
    this.fitMmuPages();
    this.tables = new GuestTables(this.kvm, recording.setup);
    this.cr4 = recording.setup.l1_cr4;
  }

  run(): Performance {
    const operations: Operation[] = [];
    let stopped: Performance['stopped'];
    for (const operation of this.recorded.operations) {
      try {
        this.recorder.begin(operation.op);
        this.yieldsTaken = 0;
        operations.push(this.perform(operation));
        this.recorder.begin(null);
        this.background?.during(afterOp(operation.op), this.user, nothing());
      } catch (error) {
        if (!(error instanceof KernelBug) && !(error instanceof NotPerformable)) throw error;
        stopped = { op: operation.op, text: error.message };
        break;
      }
    }
    this.recorder.begin(null);
    const { name, setup, description } = this.recorded;
    return {
      recording: {
        name,
        format: 1,
        kernel: { release: MODEL_RELEASE, module: 'model', variant: this.engineName },
        cpu: 'controlled runtime: one actor at a time',
        description,
        setup,
        operations,
        snapshots: this.snapshots,
        stats: this.stats,
        events: this.recorder.events,
      },
      ...(stopped === undefined ? {} : { stopped }),
      broken: this.recorder.broke.map(({ id, text }) => `${id}: ${text}`),
    };
  }

  /** Does what the recording did, and returns the operation with what the model answered. */
  private perform(operation: Operation): Operation {
    const { kvm, user } = this;
    switch (operation.type) {
      case 'set_memslot':
        return this.setMemslot(operation);
      case 'npt12_root':
        this.tables.create(operation.name, operation.op);
        return operation;
      case 'npt12_map':
        this.tables.map(operation.root, operation.op);
        return operation;
      case 'access':
        return this.access(operation);
      case 'snapshot':
        return this.snapshot(operation);
      case 'enable_manual_protect':
        kvm.put(KVM.manualProtect, operation.flags);
        return operation;
      case 'set_nr_mmu_pages':
        this.requested = operation.value;
        this.alone(setNrMmuPages(kvm, user, operation.value));
        return operation;
      case 'module_param':
        this.setParameter(operation);
        return operation;
      case 'set_l1_cr4':
        // KVM_SET_SREGS resets the MMU context: all roots go, whatever mode they are for.
        this.cr4 = operation.value;
        for (const vcpu of this.vcpus) this.alone(unloadMmu(vcpu));
        return operation;
      case 'dirty_logging_on':
        return this.setLogging(operation, true);
      case 'dirty_logging_off':
        return this.setLogging(operation, false);
      case 'clear_dirty_log':
        return this.clearDirtyLog(operation);
      case 'get_dirty_log': {
        const slot = this.slot(operation);
        clearUserBitmap(kvm, slot);
        const reported = this.alone(getDirtyLog(kvm, user, slot));
        const rc = Math.min(reported, 0);
        return this.counted({ ...operation, rc, ...dirtyPages(kvm, slot) });
      }
      case 'background_start':
        return this.startBackground(operation);
      case 'background_join':
        return this.joinBackground(operation);
    }
  }

  /** Runs an ioctl, or a vCPU, of the main thread: with nobody else, or beside a vCPU in the background. */
  private alone<T>(steps: Steps<T>, cpu: Cpu = this.user, early?: () => boolean): T {
    if (this.background !== undefined)
      return this.background.during(this.recorder.op ?? 0, cpu, steps, early);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  /**
   * Where the recording says that a walk gave the lock up; alone, only a flush before that can be told. Pages of level 1 are
   * walked first, so `gfn` is beyond all of them on the levels above.
   */
  private takesWalker(cpu: Cpu, flushOwed: boolean, gfn: number): boolean {
    const { guide, op } = this.recorder;
    if (guide !== undefined) return guide.takesYield(cpu, gfn);
    return flushOwed && this.yieldsTaken++ < this.inputs.of(op).flushingYields;
  }

  private startBackground(operation: OperationOf<'background_start'>): Operation {
    if (this.background !== undefined) {
      throw new NotPerformable(`operation ${operation.op}: a vCPU runs in the background already`);
    }
    const vcpu = this.vcpuOf(operation);
    const guide = new OrderGuide(this.recorded, operation.op);
    this.recorder.guide = guide;
    this.recorder.tasks.set(vcpu.cpu.actor, BACKGROUND_TASK);
    const run = { ...operation, root: this.rootOf(operation) };
    this.countRun(operation);
    this.background = new Background(vcpu, this.recorder, run, guide);
    this.alone(nothing());
    return operation;
  }

  private joinBackground(operation: OperationOf<'background_join'>): Operation {
    const { background } = this;
    if (background === undefined || background.vcpu.index !== operation.vcpu) {
      throw new NotPerformable(
        `operation ${operation.op}: vCPU ${operation.vcpu} does not run in the background`,
      );
    }
    background.during(operation.op, this.user, nothing(), () => false, true);
    this.recorder.tasks.delete(background.vcpu.cpu.actor);
    this.recorder.guide = undefined;
    this.background = undefined;
    return { ...operation, completed: true };
  }

  /** No event tells when faults begin to see the new flag: the pages that they map do. */
  private setLogging(
    operation: OperationOf<'dirty_logging_on' | 'dirty_logging_off'>,
    on: boolean,
  ): Operation {
    const { kvm, user, recorder } = this;
    const slot = this.slot(operation);
    const publishes = (): boolean =>
      isLogged(kvm, slot) !== on && (recorder.guide?.mapsHugeFirst() ?? on) !== on;
    if (on) this.alone(enableDirtyLogging(kvm, user, slot), user, publishes);
    else this.alone(disableDirtyLogging(kvm, user, slot), user, publishes);
    return this.counted(operation);
  }

  private slot(operation: { readonly op: number; readonly slot: number }): MemSlot {
    const slot = this.kvm.slots.find(({ config }) => config.id === operation.slot);
    if (slot === undefined || slot.gone) {
      throw new NotPerformable(`operation ${operation.op}: there is no slot ${operation.slot}`);
    }
    return slot;
  }

  private counted<T extends Operation & { counts?: unknown }>(operation: T): T {
    return { ...operation, counts: countsOf(this.recorder.events, operation.op) };
  }

  /** n_max_mmu_pages follows the memslots until user space asks for a limit of its own. */
  private fitMmuPages(): void {
    if (this.requested > 0) return;
    const present = this.kvm.slots.filter((slot) => !slot.gone);
    this.kvm.put(KVM.nMax, defaultMmuPages(present));
  }

  private setMemslot(operation: OperationOf<'set_memslot'>): Operation {
    const slot = this.kvm.slots.find(({ config }) => config.id === operation.id);
    if (slot === undefined || !slot.gone) {
      throw new NotPerformable(
        `operation ${operation.op}: slot ${operation.id} is not in setup, or exists already`,
      );
    }
    this.kvm.arena.put(slot.flagsWord, this.kvm.w[slot.flagsWord]! & ~MEMSLOT_GONE);
    this.fitMmuPages();
    return operation;
  }

  /** Parameters are the module's: a VM that runs sees the new value; nx_huge_pages also zaps everything. */
  private setParameter({ name, value, op }: OperationOf<'module_param'>): void {
    const { config } = this.machine;
    switch (name) {
      case 'eager_page_split':
        config.eagerPageSplit = isOn(value);
        return;
      case 'nx_huge_pages': {
        if (config.nxHugePages === isOn(value)) return;
        config.nxHugePages = isOn(value);
        const { kvm, user } = this;
        this.alone(
          (function* (): Steps<void> {
            yield* mutexLock(user, kvm.slotsLock);
            yield* zapAllFast(kvm, user);
            yield* mutexUnlock(user, kvm.slotsLock);
          })(),
        );
        return;
      }
      default:
        if (this.recorded.setup.module_params[name] === value) return;
        throw new NotPerformable(
          `operation ${op}: module parameter "${name}" cannot be changed while the VM runs`,
        );
    }
  }

  private access(operation: OperationOf<'access'>): Operation {
    const vcpu = this.vcpuOf(operation);
    this.countRun(operation);
    this.alone(guestRun(vcpu, this.recorder, { ...operation, root: this.rootOf(operation) }), vcpu.cpu);
    return { ...operation, completed: true };
  }

  private vcpuOf(operation: { readonly op: number; readonly vcpu: number }): Vcpu {
    const vcpu = this.vcpus[operation.vcpu];
    if (vcpu === undefined || vcpu === this.background?.vcpu) {
      throw new NotPerformable(
        `operation ${operation.op}: there is no vCPU ${operation.vcpu}, or it is running`,
      );
    }
    return vcpu;
  }

  private countRun({ mode, access }: { readonly mode: 'l1' | 'l2'; readonly access: string }): void {
    this.runs++;
    // L1 jumps to an instruction that exits by itself.
    if (mode === 'l1' && access === 'exec') this.runs++;
    if (mode === 'l2') this.nestedRuns++;
  }

  private rootOf(operation: { readonly mode: 'l1' | 'l2'; readonly root?: string | undefined }): number {
    if (operation.mode === 'l1') return ROOT_L1;
    return this.machine.rootIndex.get(rootKey(operation.root ?? '', this.cr4)) ?? ROOT_L1;
  }

  private snapshot(operation: OperationOf<'snapshot'>): Operation {
    const { requested, toppedUp } = this;
    this.snapshots[operation.tag] = dump(this.kvm, this.names, { requested, toppedUp });
    const threads = [this.user, ...this.vcpus.map(({ cpu }) => cpu)];
    const { kickingFlushes, servedFlushes } = this.recorder;
    const { runs, nestedRuns } = this;
    const counts = { runs, nestedRuns, kickingFlushes, servedFlushes };
    this.stats[operation.tag] = statistics(this.kvm, threads, counts);
    return operation;
  }

  private clearDirtyLog(operation: OperationOf<'clear_dirty_log'>): Operation {
    const slot = this.slot(operation);
    const bits = BigInt(`0x${operation.word_mask}`);
    const mask = { lo: Number(BigInt.asIntN(32, bits)), hi: Number(BigInt.asIntN(32, bits >> 32n)) };
    const { first_page: first, num_pages: pages } = operation;
    const rc = this.alone(clearDirtyLog(this.kvm, this.user, slot, first, pages, mask));
    return this.counted({ ...operation, rc });
  }
}
