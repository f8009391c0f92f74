/** A run as a report gets to see it: one violation of each shape can be put in. */
import { C, COUNTER_ROW, type CounterName } from '../../src/cpu/counters.ts';
import type { ActorClass } from '../../src/cpu/cpu.ts';
import { LOCK_MMU, LOCK_SLOTS } from '../../src/locks/probe.ts';
import { DropLatency } from '../../src/measure/drop-latency.ts';
import { LockRecorder, type TimeUnit } from '../../src/measure/lock-stats.ts';
import { summarize, type RunStatistics } from '../../src/measure/summary.ts';
import type { Outcome } from '../../src/report/schema.ts';
import { PlainCpu, RunLog } from '../../src/cpu/plain-cpu.ts';
import { Arena } from '../../src/arena/arena.ts';
import { computeLayout } from '../../src/arena/layout.ts';
import { buildMachine } from '../../src/scenario/build.ts';
import scenario from '../../scenarios/nested-migration.ts';

const arena = Arena.tracked(computeLayout(buildMachine(scenario, 'explore').dims));
const log = new RunLog();

/** A Cpu that does nothing; probes want one. */
export function idleCpu(actor: number, cls: ActorClass): PlainCpu {
  return new PlainCpu(arena, log, { actor, name: `${cls} ${actor}`, cls });
}

export function counterRow(counts: Partial<Record<CounterName, number>>): Float64Array {
  const row = new Float64Array(COUNTER_ROW);
  for (const [name, value] of Object.entries(counts)) row[C[name as CounterName]] = value;
  return row;
}

const CLASSES: readonly ActorClass[] = ['migration', 'l2-vcpu', 'l2-vcpu'];

function recorders(unit: TimeUnit): LockRecorder[] {
  const scale = unit === 'ns' ? 1000 : 1;
  const list = CLASSES.map((cls, actor) => {
    const previousOwner = (): number => (actor === 0 ? 1 : 0);
    const recorder = new LockRecorder({ actor, cls, unit, classes: CLASSES, previousOwner });
    const cpu = idleCpu(actor, cls);
    for (let i = 1; i <= 120; i++) {
      recorder.acquired(cpu, LOCK_MMU, true, i % 3 === 0, i % 3 === 0 ? i * 7 * scale : 0);
      recorder.released(cpu, LOCK_MMU, true, (actor === 0 ? 90 : 3) * i * scale);
    }
    return recorder;
  });
  const cpu = idleCpu(0, 'migration');
  for (let i = 0; i < 4; i++) {
    list[0]!.acquired(cpu, LOCK_SLOTS, true, false, 0);
    list[0]!.released(cpu, LOCK_SLOTS, true, 400_000 * scale);
  }
  return list;
}

export function sampleStatistics(unit: TimeUnit = 'ns'): RunStatistics {
  const second = unit === 'ns' ? 1e9 : 1000;
  const latency = new DropLatency(unit);
  for (let i = 1; i <= 100; i++) latency.record(unit === 'ns' ? i * 450 : i);
  return summarize({
    unit,
    duration: 12.35 * second,
    splitTime: 1.24 * second,
    rows: [
      {
        cls: 'migration',
        row: counterRow({
          splitOk: 4104,
          split1g: 8,
          split2m: 4096,
          spNew: 4100,
          spReused: 4,
          splitEagain: 123,
          splitEnospc: 1,
          roundsWithoutSplit: 7,
          topups: 124,
          topupsContended: 100,
          topupsResched: 3,
          topupsCacheLow: 20,
          walkerYields: 12,
          walkerYieldsContended: 10,
          restarts: 4227,
          splitHolds: 123,
          flushes: 16,
          flushSplit: 12,
          flushEndOfIoctl: 4,
          flushIpis: 21,
          rounds: 3,
          pagesCopied: 4_450_123,
          pagesCompared: 4_194_304,
          migrations: 1,
        }),
      },
      {
        cls: 'l2-vcpu',
        row: counterRow({ faults: 900, faultsFixed: 880, faultsRetried: 20, prefetched: 12 }),
      },
      {
        cls: 'l2-vcpu',
        row: counterRow({ faults: 100, faultsFixed: 70, faultsSpurious: 30, guestWrites: 5 }),
      },
    ],
    locks: recorders(unit).map((recorder) => recorder.serialize()),
    dropLatency: [latency.serialize()],
    hugePages: Array.from({ length: 20 }, (_, i) => ({
      t: (i * second * 12) / 20,
      pages1g: Math.max(0, 8 - 2 * i),
      pages2m: i < 4 ? 512 * i : Math.max(0, 4096 - 300 * (i - 4)),
      pages4k: i < 4 ? 0 : 512 * 300 * (i - 4),
    })),
  });
}

export const D6_VIOLATION: Outcome['violations'][number] = {
  id: 'D6',
  sentence: 'After the last round the destination equals the source, page by page.',
  text: 'gfn 0x40040 has version 7 at the source and 6 at the destination, and this text goes on for a while so that it has to be wrapped',
  words: [1234, 5678],
  actor: 0,
  actorName: 'migration',
  step: 12345,
};

/** A parallel run of nested-migration without a finding; `over` replaces fields. */
export function sampleOutcome(over: Partial<Outcome> = {}): Outcome {
  return {
    schemaVersion: 1,
    tool: { name: 'splitstorm', version: '0.1.0' },
    kind: 'run',
    verdict: 'clean',
    exitStatus: 0,
    scenario: 'nested-migration',
    parameters: { vcpus: 2, memory: 17179869184, nx: false, format: 'ept' },
    changed: [
      { name: 'vcpus', value: '2', default: '4' },
      { name: 'memory', value: '16G', default: '4G' },
    ],
    variant: 'default',
    seed: '42',
    generator: 'seedrandom-arc4/xorshift32',
    runtime: { mode: 'parallel', node: '20.20.0', platform: 'linux x64', cores: 2, threads: 3 },
    traceHash: null,
    token: null,
    reproduce: {
      command: 'splitstorm run nested-migration --seed 42 --param vcpus=2 --param memory=16G --threads 3',
    },
    startedAt: '2026-11-22T21:00:00Z',
    durationMs: 12350,
    violations: [],
    checks: { ran: ['D1', 'D2', 'D4', 'D6', 'Q14', 'Q18', 'Q20'], stops: 24 },
    statistics: sampleStatistics(),
    actors: [
      { name: 'migration', class: 'migration', status: 'done' },
      { name: 'L2 vCPU 0', class: 'l2-vcpu', status: 'done' },
      { name: 'L2 vCPU 1', class: 'l2-vcpu', status: 'done' },
    ],
    caveats: [
      'more threads (3) than cores (2): waits measure the host scheduler',
      'clock read costs 58 ns: times below 232 ns are mostly the clock',
    ],
    ...over,
  };
}
