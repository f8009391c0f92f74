/** Statistics of controlled runs: counters and locks of all cpus of a runtime, in steps. */
import { LOCK_MMU } from '../locks/probe.ts';
import type { Cpu, LockProbe } from '../cpu/cpu.ts';
import { DropLatency } from '../measure/drop-latency.ts';
import { LockRecorder } from '../measure/lock-stats.ts';
import { summarize, type RunStatistics } from '../measure/summary.ts';
import type { ControlledRuntime } from '../runtime/controlled.ts';

/** Records the locks of a controlled run in steps. One for all cpus: they take turns on one thread. */
export class ControlledMeasures {
  private readonly recorders: readonly LockRecorder[];
  private readonly latency = new DropLatency('steps');
  private firstWaiter = -1;
  private lastOwner = -1;

  constructor(runtime: ControlledRuntime) {
    const classes = runtime.cpus.map((cpu) => cpu.cls);
    this.recorders = runtime.cpus.map(
      (cpu) =>
        new LockRecorder({
          actor: cpu.actor,
          cls: cpu.cls,
          unit: 'steps',
          classes,
          previousOwner: (lock) => (lock === LOCK_MMU ? this.lastOwner : -1),
        }),
    );
    const probe: LockProbe = {
      contended: (cpu) => {
        if (this.firstWaiter < 0) this.firstWaiter = cpu.now();
      },
      acquired: (cpu, lock, write, contended, wait) => {
        this.recorders[cpu.actor]!.acquired(cpu, lock, write, contended, wait);
      },
      released: (cpu, lock, write, hold) => {
        this.recorders[cpu.actor]!.released(cpu, lock, write, hold);
        if (lock === LOCK_MMU && write) this.dropped(cpu);
      },
    };
    for (const cpu of runtime.cpus) cpu.probe = probe;
  }

  private dropped(cpu: Cpu): void {
    this.lastOwner = cpu.actor;
    if (this.firstWaiter >= 0) this.latency.record(Math.max(0, cpu.now() - this.firstWaiter));
    this.firstWaiter = -1;
  }

  statistics(runtime: ControlledRuntime, steps: number, brokenRules: readonly string[]): RunStatistics {
    return controlledStatistics(runtime, steps, brokenRules, {
      locks: this.recorders.map((recorder) => recorder.serialize()),
      dropLatency: [this.latency.serialize()],
    });
  }
}

/** Statistics from the counters alone: what a search has, which records no locks. */
export function controlledStatistics(
  runtime: ControlledRuntime,
  steps: number,
  brokenRules: readonly string[],
  more: Partial<Parameters<typeof summarize>[0]> = {},
): RunStatistics {
  return summarize({
    unit: 'steps',
    duration: steps,
    rows: runtime.cpus.map((cpu) => ({ cls: cpu.cls, row: cpu.counters })),
    brokenRules,
    ...more,
  });
}
