// Each shipped bug does what its description says, seen in the structures themselves; P1 does not.
import { describe, expect, it } from 'vitest';
import { enableDirtyLogging } from '../../src/mmu/dirty-log.ts';
import { isShadowPresent } from '../../src/mmu/format.ts';
import { slotGfnWriteProtect } from '../../src/mmu/shadow/write-protect.ts';
import { rmapWriteProtect } from '../../src/mmu/shadow/write-protect.ts';
import { sptepOf } from '../../src/mmu/shadow-page.ts';
import { engineOf, findVariant } from '../../src/variants/index.ts';
import { aliases, Bench, controlledOf, identity, leaves, machineOf, runTwice } from '../support/machines.ts';

const bench = (machine: Parameters<typeof machineOf>[0], name: string, given = {}): Bench =>
  new Bench(machineOf(machine, { backing: '2m', ...given }), engineOf([findVariant(name)!]));
const enable = (made: Bench): Bench => {
  made.run(enableDirtyLogging(made.kvm, made.cpu, made.slot));
  return made;
};

describe('shipped bugs', () => {
  it('child-role-ignores-access: unequal aliases share one child', () => {
    const children = (name: string): number => enable(bench(aliases(2, ['rwx', 'r']), name)).counter('spNew');
    expect([children('child-role-ignores-access'), children('p1')]).toEqual([1, 2]);
  });

  it('link-before-fill: at the moment of the link the child is empty', () => {
    const present = (name: string): number[] => {
      const made = bench(identity(2), name);
      const counts: number[] = [];
      made.seen.splitLinked = (_cpu, _sptep, sp) => {
        const { kvm } = made;
        counts.push(
          Array.from({ length: kvm.entries }, (_, i) => kvm.w[sptepOf(kvm, sp, i) * 2]!).filter(
            isShadowPresent,
          ).length,
        );
      };
      enable(made);
      expect(leaves(made.kvm, 1).length).toBe(16);
      return counts;
    };
    expect([present('link-before-fill'), present('p1')]).toEqual([
      [0, 0, 0, 0],
      [4, 4, 4, 4],
    ]);
  });

  it('no-restart-after-eagain: the entry that answered EAGAIN stays huge, and D4 says why', () => {
    const made = enable(bench(identity(2), 'no-restart-after-eagain'));
    expect([leaves(made.kvm, 2).length, made.seen.broke.map(({ id }) => id)]).toEqual([1, ['D4']]);
    expect(leaves(enable(bench(identity(2), 'p1')).kvm, 2).length).toBe(0);
  });

  it('skip-wrprot-if-not-writable: shadowing after a log write-protect flushes nothing and leaves MMU-writable', () => {
    const flush = (name: string): boolean => {
      const made = bench(identity(2), name);
      const { kvm, cpu, slot } = made;
      made.run(kvm.writeLock(cpu));
      made.run(rmapWriteProtect(kvm, cpu, slot.rmapWord(slot.baseGfn, 2), false));
      return made.run(slotGfnWriteProtect(kvm, cpu, slot, slot.baseGfn, 1));
    };
    expect([flush('skip-wrprot-if-not-writable'), flush('p1')]).toEqual([false, true]);
  });

  it('busted-lock: two actors are inside mmu_lock, which D1 reports from random schedules', () => {
    const ids = (name: string): string[] => {
      const runtime = controlledOf(machineOf(identity(2), { backing: '2m' }), {
        engine: engineOf([findVariant(name)!]),
      });
      const found = new Set<string>();
      for (let schedule = 0; schedule < 20; schedule++)
        for (const { id } of runTwice(runtime, schedule).violations) found.add(id);
      return [...found];
    };
    expect(ids('busted-lock')).toContain('D1');
    expect(ids('p1')).toEqual([]);
  });
});
