import { describe, expect, it } from 'vitest';
import { fanOut } from '../../src/check/fan-out.ts';
import { makeJudge } from '../../src/check/judge.ts';
import type { StateCheck } from '../../src/check/types.ts';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { Observer } from '../../src/mmu/observer.ts';
import nestedMigration from '../../scenarios/nested-migration.ts';
import { runtimeOf } from './judged-run.ts';

class Recorder extends Observer {
  readonly seen: string[] = [];
  private readonly name: string;
  constructor(name: string) {
    super();
    this.name = name;
  }
  override yieldCheck(): void {
    this.seen.push(`${this.name} yieldCheck`);
  }
}

class Progress extends Recorder {
  override progress(): void {
    this.seen.push('progress');
  }
}

describe('fanOut', () => {
  const cpu = {} as Cpu;

  it('calls every listener of a hook in order and leaves the other hooks empty', () => {
    const one = new Recorder('one');
    const two = new Progress('two');
    const all = fanOut([one, two]);
    all.yieldCheck(cpu);
    all.progress(cpu);
    all.topup(cpu, true, 0);
    expect([one.seen, two.seen]).toEqual([['one yieldCheck'], ['two yieldCheck', 'progress']]);
    expect(all.topup).toBe(Observer.prototype.topup);
  });
});

describe('the judge', () => {
  const { kvm, cpus } = runtimeOf(nestedMigration, { stateChecks: [], stepChecks: [] });
  const counting = (when: StateCheck['when']): StateCheck & { runs: number } => ({
    ids: ['Q1'],
    when,
    runs: 0,
    run() {
      this.runs++;
    },
  });

  it.each([
    [1, 8],
    [0.25, 2],
    [0, 0],
  ])('with a rate of %f checks %i of eight releases, and all at the end', (releaseRate, runs) => {
    const release = counting('release');
    const end = counting('end');
    const judge = makeJudge({ stateChecks: [release, end], stepChecks: [], releaseRate, endRate: 0.5 });
    const observer = judge.observer(kvm, () => undefined);
    judge.begin(kvm);
    for (let i = 0; i < 8; i++) observer.writeReleased(cpus[0]!);
    expect([release.runs, end.runs]).toEqual([runs, runs / 2]);
    judge.atEnd(kvm, () => undefined);
    expect([release.runs, end.runs]).toEqual([runs + 1, runs / 2 + 1]);
  });

  it('checks the TDP MMU, and nothing else, when the last reader has left', () => {
    const tdp = { ...counting('release'), tdp: true };
    const shadow = counting('release');
    const judge = makeJudge({ stateChecks: [tdp, shadow], stepChecks: [] });
    const observer = judge.observer(kvm, () => undefined);
    judge.begin(kvm);
    kvm.w[kvm.mmuLock.cnts] = 1 << 9;
    observer.readReleased(cpus[0]!);
    kvm.w[kvm.mmuLock.cnts] = 0;
    expect([tdp.runs, shadow.runs]).toEqual([0, 0]);
    observer.readReleased(cpus[0]!);
    expect([tdp.runs, shadow.runs]).toEqual([1, 0]);
  });

  it('passes on what the model finds inside, and waits while somebody else is in the write section', () => {
    const found: string[] = [];
    const release = counting('release');
    const judge = makeJudge({ stateChecks: [release], stepChecks: [] });
    const observer = judge.observer(kvm, (cpu, rule) => found.push(`${cpu?.name} ${rule.id}`));
    observer.broken(cpus[0]!, { id: 'D1', text: '', words: [] });
    expect(found).toEqual(['migration D1']);
    kvm.w[kvm.mmuLock.owner] = 2;
    observer.writeReleased(cpus[0]!);
    kvm.w[kvm.mmuLock.owner] = 0;
    expect(release.runs).toBe(0);
  });
});
