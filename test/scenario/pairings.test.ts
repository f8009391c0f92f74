// Each scenario sets its actor against the split: what the actor does, it also does while a pass of the split is under way.
import { describe, expect, it } from 'vitest';
import { makeJudge } from '../../src/check/judge.ts';
import { StepCheckBase } from '../../src/check/step-check.ts';
import type { StepCheckFamily } from '../../src/check/types.ts';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { FlushReason } from '../../src/mmu/observer.ts';
import { ControlledRuntime } from '../../src/runtime/controlled.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { loadScenario } from '../../src/scenario/load.ts';

/** What others did while one actor was in a split pass, and of it what hit a page that this very pass had split. */
class Pairing extends StepCheckBase {
  /** Actor in a pass, or -1. */
  private splitter = -1;
  private readonly split: { gfn: number; pages: number }[] = [];
  readonly during = new Map<string, number>();

  override begin(): void {
    this.splitter = -1;
  }

  private note(cpu: Cpu, what: string): void {
    if (this.splitter < 0 || cpu.actor === this.splitter) return;
    this.during.set(what, (this.during.get(what) ?? 0) + 1);
  }

  private pass(cpu: Cpu, begin: boolean): void {
    this.splitter = begin ? cpu.actor : -1;
    this.split.length = 0;
  }

  private hits(start: number, end: number): boolean {
    return this.split.some(({ gfn, pages }) => gfn < end && gfn + pages > start);
  }

  private attempt(gfn: number, level: number, errno: number): void {
    if (errno === 0) this.split.push({ gfn, pages: this.kvm.pages(level) });
  }

  override splitPass(cpu: Cpu, _slot: number, _start: number, _end: number, begin: boolean): void {
    this.pass(cpu, begin);
  }
  override tdpSplitPass(cpu: Cpu, _start: number, _end: number, _shared: boolean, begin: boolean): void {
    this.pass(cpu, begin);
  }
  override splitAttempt(
    _cpu: Cpu,
    gfn: number,
    level: number,
    _lo: number,
    _hi: number,
    errno: number,
  ): void {
    this.attempt(gfn, level, errno);
  }
  override tdpSplitAttempt(
    _cpu: Cpu,
    gfn: number,
    level: number,
    _l: number,
    _h: number,
    errno: number,
  ): void {
    this.attempt(gfn, level, errno);
  }
  override invalidate(cpu: Cpu, start: number, end: number, phase: 'begin' | 'unmapped' | 'end'): void {
    if (phase !== 'unmapped') return;
    this.note(cpu, 'invalidation');
    if (this.hits(start, end)) this.note(cpu, 'invalidation of what was split');
  }
  override guestPte(cpu: Cpu): void {
    this.note(cpu, 'L1 writes its tables');
  }
  override fault(cpu: Cpu, gfn: number): void {
    this.note(cpu, `fault`);
    if (this.hits(gfn, gfn + 1)) this.note(cpu, 'fault on what was split');
  }
  override zapPage(cpu: Cpu): void {
    this.note(cpu, `zap by ${cpu.name}`);
  }
  override flush(cpu: Cpu, reason: FlushReason): void {
    this.note(cpu, `flush for ${reason}`);
  }
  override slotChanged(cpu: Cpu): void {
    this.note(cpu, 'memslot changes');
  }
  override spteChanged(cpu: Cpu): void {
    this.note(cpu, `entry changed by ${cpu.name}`);
  }
  override guestAccess(cpu: Cpu): void {
    this.note(cpu, `access by ${cpu.cls}`);
  }
  override ioctl(cpu: Cpu, name: string): void {
    if (name.includes('RESET')) this.note(cpu, 'ring reset');
  }
  override dirtied(cpu: Cpu): void {
    this.note(cpu, 'page dirtied');
  }
}

const PAIRINGS: Readonly<Record<string, readonly string[]>> = {
  'l1-remap': ['L1 writes its tables', 'flush for sync'],
  'notifier-unmap': ['invalidation', 'invalidation of what was split', 'flush for notifier'],
  'page-migration': ['invalidation', 'invalidation of what was split', 'flush for notifier'],
  aging: ['flush for age', 'L1 writes its tables'],
  'nx-recovery': ['zap by nx-recovery', 'flush for nx-recovery'],
  'reclaim-at-limit': ['zap by reclaim'],
  'fault-storm': ['fault', 'page dirtied'],
  'zap-all': ['entry changed by zap-all', 'fault on what was split'],
  'both-mmus': ['access by l1-vcpu', 'access by l2-vcpu'],
  'tdp-races': ['access by l1-vcpu'],
  pml: ['access by l1-vcpu', 'access by l2-vcpu'],
};

/**
 * What holds slots_lock as the split does never meets it halfway: what it leaves behind is what the next pass finds. That
 * something happens at all is for test/scenario/cast-scenarios.test.ts.
 */
const KEPT_APART: Readonly<Record<string, readonly string[]>> = {
  'memslot-delete': ['memslot changes', 'zap by memslots'],
  'log-cycle': ['flush for log-off', 'zap by log-toggle'],
  'dirty-ring': ['ring reset'],
};

async function pairing(name: string, schedules: number): Promise<ReadonlyMap<string, number>> {
  const machine = buildMachine(await loadScenario(name), 'explore', {});
  let probe: Pairing | undefined;
  const family: StepCheckFamily = {
    ids: [],
    make: (kvm, report) => (probe = new Pairing(kvm, report)),
  };
  const judge = makeJudge({ stateChecks: [], stepChecks: [family] });
  const runtime = new ControlledRuntime({
    machine,
    layout: layoutThatFits(machine, 2 ** 26),
    engine: P1_ENGINE,
    judge,
  });
  const walk = new RandomWalk(3);
  for (let schedule = 0; schedule < schedules; schedule++) {
    expect(runtime.run(walk, 3, schedule).violations).toEqual([]);
  }
  return probe!.during;
}

describe('while a pass of the split is under way', () => {
  it.each(Object.entries(PAIRINGS))('%s has its actor at work', async (name, wanted) => {
    const during = await pairing(name, 50);
    const missing = wanted.filter((what) => !during.has(what));
    expect({ missing, seen: missing.length > 0 ? Object.fromEntries(during) : {} }).toEqual({
      missing: [],
      seen: {},
    });
  });

  it.each(Object.entries(KEPT_APART))('%s has it kept out by slots_lock', async (name, apart) => {
    const during = await pairing(name, 40);
    expect(apart.filter((what) => during.has(what))).toEqual([]);
    expect(during.size).toBeGreaterThan(0);
  });
});
