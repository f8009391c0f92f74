import { describe, expect, it } from 'vitest';
import { HELD_MMU_READ, HELD_MMU_WRITE } from '../../src/cpu/cpu.ts';
import { Op } from '../../src/cpu/steps.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { isContended, QR_BIAS, QW_LOCKED, QW_WAITING } from '../../src/locks/qrwlock.ts';
import { LOCK_MMU } from '../../src/locks/probe.ts';
import { Program, Stage, twice, type Body } from '../support/programs.ts';
import { lockWords, reader, writer, type Sections } from '../support/sections.ts';
import bustedLock from '../../src/variants/bugs/busted-lock.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';

describe('qrwlock words', () => {
  it('are those of the kernel: 0xff for a writer, 0x100 for a waiting one, readers from bit 9', () => {
    const seen = twice(() => {
      const { arena, lock, sections } = lockWords();
      const stage = new Stage(arena, [
        reader(sections),
        reader(sections),
        writer(sections),
        reader(sections),
      ]);
      const cnts: number[] = [];
      const note = (): unknown => cnts.push(arena.w[lock.cnts]!);
      stage.runUntil(0, () => sections.inside.length === 1);
      stage.runUntil(1, () => sections.inside.length === 2);
      note();
      stage.runUntilBlocked(2);
      note();
      stage.finish(0);
      stage.finish(1);
      stage.runUntil(2, () => sections.inside.length === 1);
      note();
      expect(stage.finishAll()).toEqual([]);
      note();
      return { stage, result: cnts };
    });
    expect(seen).toEqual([2 * QR_BIAS, (2 * QR_BIAS) | QW_WAITING, QW_LOCKED, 0]);
    expect([QW_LOCKED, QW_WAITING, QR_BIAS]).toEqual([0xff, 0x100, 0x200]);
  });

  it('say that somebody is queued, reader or writer, and nothing about readers of the fast path', () => {
    expect(isContended(0)).toBe(false);
    expect(isContended(0x0007_0007)).toBe(false);
    expect(isContended(0x0008_0007)).toBe(true);
    expect(isContended(0xffff_ffff | 0)).toBe(false);
    expect(isContended(0x0000_ffff)).toBe(true);
    const seen = twice(() => {
      const { arena, lock, sections } = lockWords();
      const contended = (): boolean => isContended(arena.w[lock.waitLock]!);
      const stage = new Stage(arena, [reader(sections), reader(sections), writer(sections)]);
      const result: boolean[] = [];
      stage.runUntil(0, () => sections.inside.length === 1);
      stage.runUntil(1, () => sections.inside.length === 2);
      result.push(contended());
      stage.runUntilBlocked(2);
      result.push(contended());
      stage.finishAll();
      result.push(contended());
      return { stage, result };
    });
    expect(seen).toEqual([false, true, false]);
  });

  it('survive the wrap-around of the tickets at 0xffff', () => {
    for (const start of [0xfffd_fffd, 0xffff_ffff, 0xfffe_fffe]) {
      const { arena, lock, sections } = lockWords();
      arena.w[lock.waitLock] = start | 0;
      const program = new Program(
        arena,
        Array.from({ length: 4 }, () => writer(sections, 2)),
      );
      for (let schedule = 0; schedule < 50; schedule++) {
        sections.clear();
        expect(program.runTwice(new RandomWalk(3), schedule).stuck).toEqual([]);
        expect(sections.overlaps).toBe(0);
        expect(isContended(arena.w[lock.waitLock]!)).toBe(false);
      }
    }
  });

  it('keep the carry of the serving half out of the next half', () => {
    const word = twice(() => {
      const { arena, lock, sections } = lockWords();
      arena.w[lock.waitLock] = 0x0000_ffff | (0xffff << 16);
      const stage = new Stage(arena, [writer(sections), writer(sections)]);
      stage.runUntil(0, () => sections.inside.length === 1);
      stage.runUntilBlocked(1);
      stage.finish(0);
      stage.finish(1);
      return { stage, result: arena.w[lock.waitLock] };
    });
    expect(word).toBe(0);
  });
});

/** Two sections in each of four actors, under 300 random schedules. */
function overlaps(sections: Sections, bodies: readonly Body[], arena: Program): number {
  let found = 0;
  for (let schedule = 0; schedule < 300; schedule++) {
    sections.clear();
    expect(arena.runTwice(new RandomWalk(11), schedule).stuck).toEqual([]);
    expect(sections.entered).toBe(2 * 2 * bodies.length);
    found += sections.overlaps;
  }
  return found;
}

describe('exclusion', () => {
  const mixed = (sections: Sections): Body[] => [
    writer(sections, 2),
    writer(sections, 2),
    reader(sections, 2),
    reader(sections, 2),
  ];

  it('never lets a writer in with anybody else, and readers in together', () => {
    const { arena, sections } = lockWords();
    const bodies = mixed(sections);
    expect(overlaps(sections, bodies, new Program(arena, bodies))).toBe(0);
    expect(sections.mostReaders).toBe(2);
  });

  it('is lost with the busted lock, which these programs notice', () => {
    const { arena, sections } = lockWords({ ...P1_ENGINE, ...bustedLock.apply(P1_ENGINE) });
    const bodies = mixed(sections);
    expect(overlaps(sections, bodies, new Program(arena, bodies))).toBeGreaterThan(100);
  });
});

describe('bookkeeping', () => {
  it('tells lockdep what is held, counts releases, and the probe how long it took', () => {
    const seen = twice(() => {
      const { arena, sections } = lockWords();
      const told: unknown[] = [];
      const stage = new Stage(arena, [writer(sections), reader(sections)]);
      for (const cpu of stage.cpus) {
        cpu.probe = {
          contended: ({ actor }, lock) => told.push(['contended', actor, lock]),
          acquired: ({ actor }, lock, write, contended, wait) =>
            told.push(['acquired', actor, lock, write, contended, wait > 0]),
          released: ({ actor }, lock, write, hold) => told.push(['released', actor, lock, write, hold > 0]),
        };
      }
      const held: number[] = [];
      stage.runUntil(0, () => sections.inside.length === 1);
      stage.runUntilBlocked(1);
      held.push(stage.cpus[0]!.held, stage.cpus[1]!.held);
      stage.finish(0);
      stage.runUntil(1, () => sections.inside.length === 1);
      held.push(stage.cpus[0]!.held, stage.cpus[1]!.held);
      stage.finish(1);
      held.push(stage.cpus[1]!.held, stage.cpus[0]!.mmuReleases, stage.cpus[1]!.mmuReleases);
      return { stage, result: { told, held } };
    });
    expect(seen.held).toEqual([HELD_MMU_WRITE, 0, 0, HELD_MMU_READ, 0, 1, 1]);
    expect(seen.told).toEqual([
      ['acquired', 0, LOCK_MMU, true, false, false],
      ['contended', 1, LOCK_MMU],
      ['released', 0, LOCK_MMU, true, true],
      ['acquired', 1, LOCK_MMU, false, true, true],
      ['released', 1, LOCK_MMU, false, true],
    ]);
  });

  it('makes every access to a lock word a visible operation', () => {
    const { arena, lock, sections } = lockWords();
    const program = new Program(arena, [writer(sections), writer(sections)]);
    const kinds = new Set<number>();
    for (let schedule = 0; schedule < 20; schedule++) {
      program.run(new RandomWalk(1), schedule, {
        operation: (_cpu, op, word) => {
          if (word === lock.cnts || word === lock.waitLock) kinds.add(op);
        },
      });
    }
    for (const op of [Op.CompareExchange, Op.Or, Op.And, Op.Add, Op.Load, Op.Wait])
      expect(kinds).toContain(op);
  });
});
