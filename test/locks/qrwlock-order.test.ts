// The consequences of kernel-facts 10.1.
import { describe, expect, it } from 'vitest';
import { Stage, twice, type Body } from '../support/programs.ts';
import { lockWords, reader, writer, type Sections } from '../support/sections.ts';

function finishAll(stage: Stage): void {
  if (stage.finishAll().length > 0) throw new Error('somebody waits for ever');
}

/** Actor 0 holds the lock; then the others queue up in the order of their numbers; then everybody goes on. */
function queueBehindFirst(
  bodies: (sections: Sections) => readonly Body[],
  goOn: (stage: Stage, sections: Sections) => void = finishAll,
): number[] {
  return twice(() => {
    const { arena, sections } = lockWords();
    const stage = new Stage(arena, bodies(sections));
    stage.runUntil(0, () => sections.inside.length === 1);
    for (let actor = 1; actor < stage.cpus.length; actor++) stage.runUntilBlocked(actor);
    goOn(stage, sections);
    expect(sections.overlaps).toBe(0);
    return { stage, result: sections.order };
  });
}

/** Steps whoever can go on, the last one first: nothing but the queue can bring about another order. */
function lastFirst(stage: Stage): void {
  for (;;) {
    const next = stage.cpus.findLastIndex((_, actor) => stage.canGoOn(actor));
    if (next === -1) break;
    stage.step(next);
  }
  expect(stage.cpus.every((_, actor) => stage.done(actor))).toBe(true);
}

describe('the queue', () => {
  it('serves writers in the order in which they queued up', () => {
    const bodies = (sections: Sections): Body[] => Array.from({ length: 5 }, () => writer(sections));
    expect(queueBehindFirst(bodies)).toEqual([0, 1, 2, 3, 4]);
    expect(queueBehindFirst(bodies, lastFirst)).toEqual([0, 1, 2, 3, 4]);
  });

  it('serves readers and writers in one order', () => {
    const bodies = (s: Sections): Body[] => [writer(s), reader(s), writer(s), reader(s), writer(s)];
    expect(queueBehindFirst(bodies)).toEqual([0, 1, 2, 3, 4]);
    expect(queueBehindFirst(bodies, lastFirst)).toEqual([0, 1, 2, 3, 4]);
  });

  it('sends an owner who asks again at once behind everybody who is queued', () => {
    const bodies = (s: Sections): Body[] => [writer(s, 2), writer(s), writer(s)];
    // The owner goes on as far as it can before anybody else makes a step.
    const ownerFirst = (stage: Stage): void => {
      stage.runUntilBlocked(0);
      expect(stage.finishAll()).toEqual([]);
    };
    expect(queueBehindFirst(bodies, ownerFirst)).toEqual([0, 1, 2, 0]);
  });

  it('gives an owner who asks again the lock at once if nobody is queued', () => {
    expect(
      queueBehindFirst(
        (s) => [writer(s, 3)],
        (stage) => stage.finish(0),
      ),
    ).toEqual([0, 0, 0]);
  });
});

describe('a waiting writer', () => {
  it('stops new readers, who queue up behind it, while the readers inside go on', () => {
    const order = queueBehindFirst(
      (s) => [reader(s), writer(s), reader(s), reader(s)],
      (stage, sections) => {
        // The late readers are blocked although only a reader is inside; who queued up later changed the word that the
        // earlier one waits on, so it looks again.
        stage.runUntilBlocked(2);
        expect(sections.inside).toEqual([{ actor: 0, write: false }]);
        expect([2, 3].map((actor) => stage.blocked(actor))).toEqual([true, true]);
        stage.finish(0);
        lastFirst(stage);
      },
    );
    expect(order).toEqual([0, 1, 2, 3]);
  });

  it('waits for every reader inside', () => {
    twice(() => {
      const { arena, sections } = lockWords();
      const stage = new Stage(arena, [reader(sections), reader(sections), writer(sections)]);
      stage.runUntil(0, () => sections.inside.length === 1);
      stage.runUntil(1, () => sections.inside.length === 2);
      stage.runUntilBlocked(2);
      stage.finish(1);
      while (stage.canGoOn(2)) stage.step(2);
      expect(sections.order).toEqual([0, 1]);
      stage.finish(0);
      stage.finish(2);
      return { stage, result: undefined };
    });
  });
});

describe('readers at the head of the queue', () => {
  it('let the readers behind them in one after another: they are inside together', () => {
    const group = twice(() => {
      const { arena, sections } = lockWords();
      const stage = new Stage(arena, [
        writer(sections),
        reader(sections),
        reader(sections),
        reader(sections),
        writer(sections),
        reader(sections),
      ]);
      stage.runUntil(0, () => sections.inside.length === 1);
      for (let actor = 1; actor < 6; actor++) stage.runUntilBlocked(actor);
      stage.finish(0);
      for (const actor of [1, 2, 3])
        stage.runUntil(actor, () => sections.inside.some((one) => one.actor === actor));
      // The reader behind the second writer does not join them.
      while (stage.canGoOn(4)) stage.step(4);
      while (stage.canGoOn(5)) stage.step(5);
      const together = sections.inside.map((one) => one.actor);
      expect(stage.finishAll()).toEqual([]);
      expect(sections.order).toEqual([0, 1, 2, 3, 4, 5]);
      return { stage, result: together };
    });
    expect(group).toEqual([1, 2, 3]);
  });
});
