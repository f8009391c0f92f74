import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { stress, type StressOptions, type StressResult } from '../../src/campaign/stress.ts';
import { loadEngine } from '../../src/campaign/variants.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { loadScenario } from '../../src/scenario/load.ts';

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/scenarios/${name}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'splitstorm-parallel-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function run(
  scenarioName: string,
  given: Readonly<Record<string, unknown>>,
  more: Partial<StressOptions> = {},
): Promise<StressResult> {
  const scenario = await loadScenario(scenarioName);
  const machine = buildMachine(scenario, 'run', given);
  const variants = more.variants ?? ['p1'];
  return stress({
    machine,
    layout: layoutThatFits(machine, 2 ** 32),
    engine: await loadEngine(variants),
    variants,
    scenarioFile: scenarioName.includes('/') ? scenarioName : undefined,
    seed: '1',
    without: new Set(),
    repetitions: 1,
    durationMs: 60_000,
    stopEveryMs: 50,
    hangMs: 20_000,
    signal: new AbortController().signal,
    ...more,
  });
}

const statusOf = (result: StressResult, name: string): string | undefined =>
  result.actors.find((actor) => actor.name === name)?.status;

describe('the parallel runtime', () => {
  it('migrates a small guest on real threads, checks it and merges what each thread measured', async () => {
    const result = await run('nested-migration', { memory: '64M', backing: '2m', vcpus: 2 });
    expect(result.errors).toEqual([]);
    expect(result.violations).toEqual([]);
    expect(result.actors.map((actor) => actor.status)).toEqual(['done', 'done', 'done']);
    expect(result.completed).toBe(1);
    expect(result.stops).toBeGreaterThanOrEqual(1);
    expect(result.statistics.splits.ok).toBe(32);
    expect(result.statistics.migration).toMatchObject({
      completed: 1,
      pagesCompared: 16384,
      result: 'equal',
    });
    const writers = result.statistics.locks.find((lock) => lock.name === 'mmu_lock-W')!;
    expect(writers.total.acquisitions).toBe(writers.total.hold.count);
    expect(result.statistics.hugePages.at(-1)).toMatchObject({ pages2m: 0, pages4k: 16384 });
  });

  it('splits every huge page exactly once when shards share the slot', async () => {
    const result = await run('two-roots', { memory: '64M', backing: '2m', vcpus: 2, splitters: 3 });
    expect(result.errors).toEqual([]);
    expect(result.violations).toEqual([]);
    expect(result.statistics.splits.ok).toBe(64);
    expect(result.statistics.counters.byClass.splitter?.splitOk).toBe(64);
    expect(result.statistics.counters.byClass.migration?.splitOk).toBe(0);
  });

  it('names an actor that throws and keeps what the others did', async () => {
    const result = await run(fixture('actor-throws.mjs'), {});
    expect(result.errors).toEqual(['thrower failed: my actor broke']);
    expect(statusOf(result, 'thrower')).toBe('failed');
    expect(result.actors).toHaveLength(4);
    expect(result.statistics.counters.byClass['l2-vcpu']).toBeDefined();
  });

  it('names an actor whose thread exits', async () => {
    const result = await run(fixture('actor-exits.mjs'), {});
    expect(result.errors).toEqual([expect.stringContaining('quitter failed: worker exited with code: 7')]);
  });

  it('names who holds a lock that is never given back, and what it waits for', async () => {
    const result = await run(fixture('actor-keeps-lock.mjs'), {}, { hangMs: 3_000 });
    expect(result.errors).toHaveLength(1);
    expect(result.errors[0]).toContain('keeper waits on page 0x0 inside mmu_lock');
    expect(result.errors[0]).toContain('mmu_lock is held by keeper');
    expect(statusOf(result, 'keeper')).toBe('hung');
  });

  it('kills an actor that never looks up', async () => {
    const marker = join(folder, 'spins');
    vi.stubEnv('SPLITSTORM_TEST_MARKER', marker);
    const controller = new AbortController();
    const onProgress = (): void => {
      if (existsSync(marker)) controller.abort();
    };
    const result = await run(fixture('actor-spins.mjs'), {}, { signal: controller.signal, onProgress });
    vi.unstubAllEnvs();
    expect(result.errors).toEqual(['spinner failed: its thread did not end when told to and was killed']);
    expect(statusOf(result, 'spinner')).toBe('failed');
  });

  it('ends in an orderly way when it is interrupted', async () => {
    const controller = new AbortController();
    let first: number | undefined;
    const result = await run(
      'nested-migration',
      { memory: '1G', vcpus: 2 },
      {
        repetitions: 0,
        signal: controller.signal,
        onProgress: ({ repetition, hugePagesLeft }) => {
          first ??= hugePagesLeft;
          // The threads are at work.
          if (repetition > 0 || hugePagesLeft !== first) controller.abort();
        },
      },
    );
    expect(result.interrupted).toBe(true);
    expect(result.errors).toEqual([]);
    expect(result.violations).toEqual([]);
    expect(result.actors.every((actor) => actor.status === 'done' || actor.status === 'aborted')).toBe(true);
  });
});
