import { describe, expect, it } from 'vitest';
import { explainFailure } from '../../src/campaign/explain-failure.ts';
import { runtimeOf, type RunSpec } from '../../src/campaign/run-spec.ts';
import { shrinkFailure, type ShrunkFailure } from '../../src/campaign/shrink-failure.ts';
import { masterSeed } from '../../src/cpu/random.ts';
import { NotReproduced } from '../../src/explore/shrink.ts';
import { OverrideScheduler } from '../../src/explore/overrides.ts';
import { parseStrategy } from '../../src/explore/strategies/index.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { renderExplanation, type Explanation } from '../../src/report/explanation.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import type { Scenario } from '../../src/scenario/define.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { engineNamed } from '../support/hunt.ts';
import { LIMIT } from '../support/machines.ts';

const PLANTED = [
  ['never-flush-on-reuse', 'nx-partial-reuse'],
  ['no-restart-after-eagain', 'nested-migration'],
  ['child-role-ignores-access', 'alias-mixed-access'],
  ['skip-wrprot-if-not-writable', 'shadowed-tables'],
  ['link-before-fill', 'nested-migration'],
  ['busted-lock', 'nested-migration'],
] as const;

interface Found {
  readonly variant: string;
  readonly scenario: Scenario;
  readonly before: string;
  readonly shrunk: ShrunkFailure;
  readonly explanation: Explanation;
}

/** The first failure of a random walk, shrunk and explained. */
async function find(variant: string, name: string): Promise<Found> {
  const scenario = await loadScenario(name);
  const machine = buildMachine(scenario, 'explore', {});
  const spec: RunSpec = {
    machine,
    layout: layoutThatFits(machine, LIMIT),
    engine: engineNamed(variant),
    custom: scenario.actors,
    without: new Set(),
    idle: new Set(),
    seed: '1',
    schedule: 0,
    plan: { strategy: parseStrategy('random-walk') },
  };
  const runtime = runtimeOf(spec);
  const walk = new RandomWalk(masterSeed(spec.seed));
  let schedule = 0;
  let violation;
  while (violation === undefined)
    violation = runtime.run(walk, masterSeed(spec.seed), schedule++).violations[0];
  const shrunk = shrinkFailure({
    spec: { ...spec, schedule: schedule - 1 },
    scenario,
    given: {},
    maxReplays: 200,
    maxCertificate: 200,
    keepWorkload: false,
  });
  const explanation = explainFailure({
    spec: shrunk.spec,
    scenario,
    variants: [variant],
    shrunk: 'Shrunk.',
    commands: () => [['replay', 'npx splitstorm replay TOKEN']],
    maxSwaps: 100,
  });
  return { variant, scenario, before: violation.id, shrunk, explanation };
}

const found: Found[] = [];
for (const [variant, scenario] of PLANTED) found.push(await find(variant, scenario));

describe('shrinking the planted bugs', () => {
  it.each(found)('$variant takes at most 200 replays and keeps the check', ({ shrunk, before }) => {
    expect(shrunk.replays).toBeLessThanOrEqual(200);
    expect(shrunk.result.violations[0]?.id).toBe(before);
    expect(shrunk.result.steps).toBeLessThanOrEqual(shrunk.before.steps);
    expect(shrunk.result.preemptions).toBeLessThanOrEqual(shrunk.before.preemptions);
  });

  it('leaves at most two preemptions in the median', () => {
    const preemptions = found.map(({ shrunk }) => shrunk.result.preemptions).sort((a, b) => a - b);
    expect(preemptions[Math.floor(preemptions.length / 2)]).toBeLessThanOrEqual(2);
  });

  it.each(found)('$variant: what is left replays with the same hash', ({ shrunk }) => {
    const { spec, result } = shrunk;
    const runtime = runtimeOf(spec);
    const overrides = 'overrides' in spec.plan ? spec.plan.overrides : [];
    const scheduler = new OverrideScheduler(overrides, true);
    for (let i = 0; i < 2; i++) {
      const again = runtime.run(scheduler, masterSeed(spec.seed), spec.schedule);
      expect(again.hash).toBe(result.hash);
      expect(scheduler.unused).toBeUndefined();
    }
  });
});

describe('explaining the planted bugs', () => {
  it.each(found)('$variant takes at most 40 lines, none wider than asked for', ({ explanation }) => {
    for (const width of [40, 80, 200]) {
      const lines = renderExplanation(explanation, { width, color: false });
      expect(lines.length).toBeLessThanOrEqual(40);
      for (const line of lines.slice(0, -1)) expect(line.length).toBeLessThanOrEqual(width);
    }
  });

  it.each(found)('$variant shows the operation at which it broke and the rule', ({ explanation, before }) => {
    const text = renderExplanation(explanation, { width: 100, color: false }).join('\n');
    expect(explanation.violation.id).toBe(before);
    expect(explanation.violation.sentence).not.toBe('');
    expect(text).toContain(`=== ${before} is broken`);
    expect(text).toContain('replay  npx splitstorm replay TOKEN');
  });

  it('decodes the SPTE of Q41 with its last writer, its rmap and its TLB entries', () => {
    const { explanation } = found.find(({ variant }) => variant === 'skip-wrprot-if-not-writable')!;
    const [spte] = explanation.broken;
    expect(spte?.name).toMatch(/^SPTE \[\d\] of L1 direct/);
    expect(spte?.writer?.actor).toBe(0);
    expect(spte?.notes.join('; ')).toMatch(/rmap of gfn 0x\w+ at level 1: L1\[\d\]@0x\w+; dirty bit of gfn/);
  });

  it('finds that swapping two critical sections makes Q41 pass, and names them', () => {
    const { explanation } = found.find(({ variant }) => variant === 'skip-wrprot-if-not-writable')!;
    const { pair, steps } = explanation;
    expect(pair?.instead).toBeUndefined();
    expect(steps[pair!.first - 1]!.lock).toEqual({ name: 'mmu_lock for write', taken: true });
    expect(steps[pair!.second - 1]!.lock).toEqual({ name: 'mmu_lock for write', taken: true });
  });

  it('names who holds the broken lock', () => {
    const { explanation } = found.find(({ variant }) => variant === 'busted-lock')!;
    expect(explanation.held.filter((line) => line.startsWith('mmu_lock for write is held by')).length).toBe(
      2,
    );
    expect(explanation.steps.some(({ because }) => because === 'preempted')).toBe(true);
  });

  it('a run that passes is refused', () => {
    const { shrunk, scenario, variant } = found[0]!;
    const spec = { ...shrunk.spec, engine: engineNamed('p1') };
    expect(spec.idle.size).toBeGreaterThan(0);
    const explain = (): Explanation =>
      explainFailure({ spec, scenario, variants: [variant], shrunk: '', commands: () => [], maxSwaps: 1 });
    expect(explain).toThrow(NotReproduced);
  });
});
