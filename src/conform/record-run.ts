/**
 * A controlled run of a scenario as a recording: what there is before the actors begin, what they do, and what is left. The
 * actors draw what they do, which the format has no operation for: everything is told under one operation, and the name of
 * the task says who it was.
 */
import { actorIdentity } from '../actors/context.ts';
import type { Cpu } from '../cpu/cpu.ts';
import type { KvmConfig, L1Mapping } from '../mmu/config.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { ROOT_L1 } from '../mmu/vcpu-words.ts';
import type { Machine } from '../scenario/build.ts';
import { countsOf } from './counts.ts';
import { dump } from './dump.ts';
import { EventRecorder } from './event-recorder.ts';
import { PAGE } from './machine.ts';
import type { Operation } from './operations.ts';
import { PageNames } from './page-names.ts';
import { FORMAT, type Mapping, type Recording, type Setup } from './recording.ts';
import type { Counters, Snapshot } from './snapshots.ts';
import { statistics } from './stats.ts';

/** Why a machine cannot be told in the format; undefined if it can. */
export function untellable({ config }: Machine): string | undefined {
  if (config.tableBits !== 9) {
    return `tables have ${2 ** config.tableBits} entries, a recording's have 512: give --table-bits 9`;
  }
  return config.format === 'npt'
    ? undefined
    : 'SPTEs are in EPT format, a recording has NPT: give --format npt';
}

/** Tells page faults where nobody else does. */
class RunEvents extends EventRecorder {
  override faultTaken(cpu: Cpu, gfn: number, access: number, present: boolean): void {
    this.pageFault(cpu, cpu.runningVcpu, gfn * PAGE, access, present, true);
  }
}

export class RunRecorder {
  readonly events: EventRecorder;
  private readonly kvm: Kvm;
  private readonly machine: Machine;
  private readonly names: PageNames;
  private readonly operations: Operation[];
  private readonly snapshots: Record<string, Snapshot> = {};
  private readonly stats: Record<string, Counters> = {};
  private readonly running: number;

  /** The machine is booted, and its actors have not begun. */
  constructor(kvm: Kvm, machine: Machine) {
    this.kvm = kvm;
    this.machine = machine;
    this.names = new PageNames(kvm);
    this.events = new RunEvents(kvm, this.names);
    const main = machine.actors.findIndex((spec) =>
      ['migration', 'dirty-log'].includes(actorIdentity(spec).cls),
    );
    machine.actors.forEach((spec, actor) => {
      if (actor !== main) this.events.tasks.set(actor, actorIdentity(spec).name);
    });
    this.operations = operationsBefore(machine);
    this.running = this.operations.length + 2;
    this.snapshot('before', []);
    this.events.begin(this.running);
  }

  private snapshot(tag: string, cpus: readonly Cpu[]): void {
    const { config } = this.machine;
    this.operations.push({ op: this.operations.length + 1, type: 'snapshot', tag });
    const toppedUp = this.events.events.some(({ type }) => type === 'probe_topup_ret');
    this.snapshots[tag] = dump(this.kvm, this.names, { requested: config.nrMmuPages, toppedUp });
    const { kickingFlushes, servedFlushes } = this.events;
    const counts = { runs: 0, nestedRuns: 0, kickingFlushes, servedFlushes };
    this.stats[tag] = statistics(this.kvm, cpus, counts);
  }

  /** All actors have ended. */
  finish(name: string, cpus: readonly Cpu[]): Recording {
    const { config, scenario } = this.machine;
    const slot = config.slots.at(-1)!.id;
    const counts = countsOf(this.events.events, this.running);
    this.operations.push({ op: this.running, type: 'dirty_logging_on', slot, counts });
    this.events.begin(null);
    this.snapshot('after', cpus);
    return {
      name,
      description: `a controlled run of ${scenario}: operation ${this.running} stands for all that its actors do`,
      format: FORMAT,
      kernel: { release: 'splitstorm', module: 'model', variant: this.kvm.engine.name },
      cpu: 'controlled runtime',
      setup: setupOf(config, this.kvm),
      operations: this.operations,
      snapshots: this.snapshots,
      stats: this.stats,
      events: this.events.events,
    };
  }
}

const BACKING = { 1: '4k', 2: '2m', 3: '1g' } as const;

function setupOf(config: KvmConfig, kvm: Kvm): Setup {
  const yes = (on: boolean): string => (on ? 'Y' : 'N');
  return {
    vcpus: config.vcpus,
    memslots: config.slots.map(({ id, baseGfn, npages, backing }) => ({
      id,
      gpa: baseGfn * PAGE,
      size: npages * PAGE,
      backing: BACKING[backing as 1 | 2 | 3],
      base_gfn: baseGfn,
      npages,
      hva_offset_in_huge_page: (baseGfn % kvm.pages(backing)) * PAGE,
    })),
    npt12_roots: config.roots.map(({ name, mappings }, index) => ({
      name,
      table_gpa: (config.tableGfn + kvm.l1RootTable(index)) * PAGE,
      mappings: mappings.map(mappingOf),
    })),
    module_params: {
      tdp_mmu: yes(config.tdpMmu),
      eager_page_split: yes(config.eagerPageSplit),
      nx_huge_pages: config.nxHugePages ? 'force' : 'N',
    },
    l1_cr4: config.roots[0]?.smep === true ? '0x100020' : '0x20',
  };
}

function mappingOf(mapping: L1Mapping): Mapping {
  return {
    l2_gpa: mapping.l2Gfn * PAGE,
    l1_gpa: mapping.l1Gfn * PAGE,
    level: mapping.level,
    count: mapping.count,
    l1_step: mapping.l1Step * PAGE,
    perm: `r${mapping.write ? 'w' : ''}${mapping.exec ? 'x' : ''}`,
    accessed: mapping.accessed ? 1 : 0,
    dirty: mapping.dirty ? 1 : 0,
  };
}

/** What brought the machine to where its actors begin. */
function operationsBefore({ config, populate }: Machine): Operation[] {
  const operations: Operation[] = [];
  const next = (): number => operations.length + 1;
  for (const { id, gone } of config.slots) {
    if (id !== 0 && gone !== true) operations.push({ op: next(), type: 'set_memslot', id });
  }
  config.roots.forEach(({ name, mappings, table }, index) => {
    const table_gpa = (config.tableGfn + (table ?? index)) * PAGE;
    operations.push({ op: next(), type: 'npt12_root', name, table_gpa });
    // The first comes with the root.
    mappings.slice(1).forEach((_, k) => {
      operations.push({ op: next(), type: 'npt12_map', root: name, mapping: `mapping ${k + 1} of ${name}` });
    });
  });
  for (const past of populate) {
    if ('logCycle' in past) {
      // The boot's ioctls are not counted: the machine is looked at from here on.
      operations.push({ op: next(), type: 'dirty_logging_on', slot: past.logCycle });
      operations.push({ op: next(), type: 'dirty_logging_off', slot: past.logCycle });
      continue;
    }
    const { vcpu = 0, root = 0, l2Gfn, count = 1, stride = 1, access } = past;
    operations.push({
      op: next(),
      type: 'access',
      mode: root === ROOT_L1 ? 'l1' : 'l2',
      vcpu,
      access,
      address: l2Gfn * PAGE,
      count,
      stride: stride * PAGE,
      ...(root === ROOT_L1 ? {} : { root: config.roots[root]!.name }),
      completed: true,
    });
  }
  return operations;
}
