import { describe, expect, it } from 'vitest';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { Program } from '../support/programs.ts';
import { lockWords, reader, writer } from '../support/sections.ts';

describe('4 actors that read and write under mmu_lock', () => {
  it('all get through in each of 5,000 random schedules, and leave the words as they found them', () => {
    const { arena, lock, sections } = lockWords();
    const program = new Program(arena, [
      function* (cpu) {
        yield* writer(sections)(cpu);
        yield* reader(sections)(cpu);
      },
      writer(sections, 2),
      reader(sections, 2),
      function* (cpu) {
        yield* reader(sections)(cpu);
        yield* writer(sections)(cpu);
      },
    ]);
    const walk = new RandomWalk(20);
    const hashes = new Set<string>();
    let mostSteps = 0;
    for (let schedule = 0; schedule < 5000; schedule++) {
      sections.clear();
      const { stuck, hash, steps } = program.runTwice(walk, schedule);
      if (stuck.length > 0 || sections.overlaps > 0)
        throw new Error(`schedule ${schedule}: ${stuck.join()} stuck`);
      hashes.add(hash);
      mostSteps = Math.max(mostSteps, steps);
      if (arena.w[lock.cnts] !== 0)
        throw new Error(`schedule ${schedule} leaves ${arena.w[lock.cnts]} in cnts`);
    }
    expect(hashes.size).toBeGreaterThan(4900);
    // Every wake-up is for a reason: the words change at most a few times per section.
    expect(mostSteps).toBeLessThan(400);
  });
});
