import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { search, type SearchOptions, type SearchResult } from '../../src/campaign/search.ts';
import { loadStrategy } from '../../src/campaign/strategies.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { engineOf, findVariant } from '../../src/variants/index.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'splitstorm-search-'));
const MARKER = join(folder, 'died');
/** Threads that load sources start slowly on a busy machine. */
const WITH_THREADS = { timeout: 120_000 };

interface Chosen extends Partial<SearchOptions> {
  readonly scenario?: string;
  readonly variant?: string;
  readonly by?: string;
}

async function explore({ scenario = 'enospc', variant, by, ...options }: Chosen): Promise<SearchResult> {
  const loaded = await loadScenario(scenario);
  const machine = buildMachine(loaded, 'explore');
  return search({
    machine,
    layout: layoutThatFits(machine, 2 ** 31),
    engine: engineOf(variant === undefined ? [] : [findVariant(variant)!]),
    custom: loaded.actors,
    judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
    seed: 'search',
    from: 0,
    schedules: 150,
    maxFailures: 1,
    strategy: await loadStrategy(by ?? 'portfolio'),
    twice: false,
    signal: new AbortController().signal,
    setup: {
      scenario: loaded.actors === undefined ? undefined : scenario,
      variants: variant === undefined ? ['p1'] : [variant],
    },
    ...options,
  });
}

/** All that must not depend on who searched. */
function essence({ elapsedMs: _e, workers: _w, runtime, ...rest }: SearchResult): unknown {
  return { ...rest, counters: runtime.cpus.map((cpu) => [...cpu.counters]) };
}

afterEach(() => {
  delete process.env['SPLITSTORM_TEST_MARKER'];
  rmSync(MARKER, { force: true });
});

describe('a search', () => {
  it('looks at its event loop now and then, however short its shards are: an interrupt and the threads wait there', async () => {
    let looks = 0;
    let watching = true;
    const look = (): void => {
      looks++;
      if (watching) setTimeout(look, 1);
    };
    look();
    const began = process.cpuUsage();
    await explore({ scenario: 'tiny-split', by: 'random-walk', schedules: 30_000, workers: 1 });
    watching = false;
    const { user, system } = process.cpuUsage(began);
    // A look every 40 ms at least, by processor time so that a busy machine does not count; collector and compiler have threads too.
    expect(looks).toBeGreaterThan((user + system) / 1000 / 160);
  });

  it('is the same for one, two and four workers: a clean one to its end', WITH_THREADS, async () => {
    const alone = await explore({ workers: 1 });
    expect(alone).toMatchObject({ schedules: 150, ended: 'schedules', failing: 0, workers: 1 });
    expect(alone.coverage!.behaviours.distinct).toBeGreaterThan(50);
    expect(alone.dealt.reduce((sum, { schedules }) => sum + schedules, 0)).toBe(150 - 16);
    for (const workers of [2, 4]) {
      const together = await explore({ workers });
      expect(together.workers).toBe(workers);
      expect(essence(together)).toEqual(essence(alone));
    }
  });

  it('is the same for one and two workers: one that ends with its fifth failure', WITH_THREADS, async () => {
    const options = { scenario: 'nx-partial-reuse', variant: 'never-flush-on-reuse', maxFailures: 5 };
    const alone = await explore({ ...options, workers: 1 });
    expect(alone).toMatchObject({ failing: 5, ended: 'failures' });
    expect(alone.schedules).toBe(alone.failures[4]!.schedule + 1);
    expect(essence(await explore({ ...options, workers: 2 }))).toEqual(essence(alone));
  });

  it('loses no schedule when a thread dies: its shard is run again', WITH_THREADS, async () => {
    process.env['SPLITSTORM_TEST_MARKER'] = MARKER;
    const scenario = fixture('scenarios/actor-exits-once.mjs');
    const alone = await explore({ scenario, workers: 1 });
    const together = await explore({ scenario, workers: 2 });
    expect(readFileSync(MARKER, 'utf8')).toBe('died');
    expect(essence(together)).toEqual(essence(alone));
  });

  it(
    'names the shard whose thread dies again and again, and keeps what came before',
    WITH_THREADS,
    async () => {
      const result = await explore({ scenario: fixture('scenarios/actor-exits-in-threads.mjs'), workers: 2 });
      expect(result).toMatchObject({ ended: 'error', schedules: 0 });
      expect(result.error).toMatch(/^shard 0 \(schedules 0 to 15\): its thread died 2 times/);
    },
  );

  it('says which schedule the harness failed in', async () => {
    const result = await explore({ scenario: fixture('scenarios/actor-throws.mjs') });
    expect(result.ended).toBe('error');
    expect(result.error).toMatch(/^schedule 0: Error: my actor broke/);
  });

  it('keeps going through failures and counts those that are alike', async () => {
    const result = await explore({
      scenario: 'nx-partial-reuse',
      variant: 'never-flush-on-reuse',
      schedules: 60,
      maxFailures: Infinity,
    });
    expect(result).toMatchObject({ schedules: 60, ended: 'schedules' });
    expect(result.failing).toBeGreaterThan(10);
    expect(result.distinct.length).toBeLessThan(result.failing);
    expect(result.distinct.reduce((sum, { count }) => sum + count, 0)).toBe(result.failing);
    expect(result.failures.every(({ reproduced }) => reproduced)).toBe(true);
  });

  it('ends when it is interrupted, with what was done', async () => {
    const controller = new AbortController();
    const result = await explore({
      schedules: 1e6,
      signal: controller.signal,
      onProgress: ({ schedules }) => {
        if (schedules > 20) controller.abort();
      },
    });
    expect(result.interrupted).toBe(true);
    expect(result.schedules).toBeGreaterThan(20);
    expect(result.schedules).toBeLessThan(5000);
    expect(result.coverage!.behaviours.distinct).toBeGreaterThan(0);
  });

  it('has the own actors of a shipped scenario in its threads', WITH_THREADS, async () => {
    const alone = await explore({ scenario: 'tiny-split', workers: 1 });
    expect(essence(await explore({ scenario: 'tiny-split', workers: 2 }))).toEqual(essence(alone));
  });

  it('ends when the next schedule is likely a known one, and not before', async () => {
    const covered = await explore({
      scenario: 'tiny-split',
      schedules: 3000,
      stopWhenCovered: 0.9,
      by: 'random-walk',
    });
    expect(covered.ended).toBe('covered');
    expect(covered.schedules).toBeLessThan(3000);
    expect(covered.coverage!.behaviours.nextIsNew).toBeLessThanOrEqual(0.1);
    // Where every schedule is new there is nothing to stop for.
    expect((await explore({ schedules: 300, stopWhenCovered: 0.9 })).ended).toBe('schedules');
  });
});

describe('operation pairs of a machine', () => {
  it('grow with the schedules, are seen in both orders one after the other, and have names', async () => {
    const few = (await explore({ scenario: 'tiny-split', schedules: 4 })).coverage!.pairs;
    const many = (await explore({ scenario: 'tiny-split', schedules: 400 })).coverage!.pairs;
    expect(many.seen).toBeGreaterThan(few.seen);
    expect(many.bothOrders).toBeGreaterThan(few.bothOrders);
    expect(many.byKind.map(({ kind }) => kind)).toContain('mmu_lock.cnts');
    expect(many.byKind.reduce((sum, { seen }) => sum + seen, 0)).toBe(many.seen);
    expect(many.oneOrder.length).toBe(many.seen - many.bothOrders);
    expect(many.oneOrder[0]!.earlier).toMatch(/ (load|store|add|or|and|xchg|cmpxchg|wait|load64|store64)/);
  });
});

describe("a user's strategy", () => {
  it('is loaded from its file, with its number, by every worker', WITH_THREADS, async () => {
    const by = `${fixture('strategy-last.mjs')}:5`;
    const alone = await explore({ by, schedules: 100 });
    expect(alone.schedules).toBe(100);
    expect(essence(await explore({ by, schedules: 100, workers: 2 }))).toEqual(essence(alone));
    expect(alone.hash).not.toBe((await explore({ by: fixture('strategy-last.mjs'), schedules: 100 })).hash);
  });

  it('is told when it picks somebody who cannot go on', async () => {
    const result = await explore({ by: fixture('strategy-wrong-pick.mjs') });
    expect(result.ended).toBe('error');
    expect(result.error).toMatch(/pick returned 99, allowed is one of 0, 1/);
  });

  it('is refused in one line if it is none', async () => {
    for (const [text, message] of [
      [fixture('scenarios/good.ts'), /good\.ts is not one: needsProfile/],
      ['./no-such-strategy.ts', /there is no file/],
      [`${fixture('strategy-last.mjs')}:1`, /first every N-th time from 2 to 100/],
      [`${fixture('strategy-wrong-pick.mjs')}:1`, /takes no number/],
    ] as const) {
      await expect(loadStrategy(text)).rejects.toThrow(message);
    }
  });
});
