import { describe, expect, it } from 'vitest';
import { divergence, planOf, tokenOf, variantsOf, type TokenParts } from '../../src/campaign/tokens.ts';
import { ByteWriter } from '../../src/explore/bytes.ts';
import { lengthOnly, writeExcerpt, type Excerpt } from '../../src/explore/excerpt.ts';
import { locationGroups } from '../../src/explore/locations.ts';
import { Schedules } from '../../src/explore/scheduler-of.ts';
import { STRATEGIES } from '../../src/explore/strategies/index.ts';
import { formatToken, markOf, parseToken } from '../../src/explore/token.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { Observer } from '../../src/mmu/observer.ts';
import { ControlledRuntime } from '../../src/runtime/controlled.ts';
import { layoutThatFits, type Machine } from '../../src/scenario/build.ts';
import { shippedScenarios } from '../../src/scenario/load.ts';
import { VARIANTS } from '../../src/variants/index.ts';
import { shipped } from '../support/hunt.ts';
import { LIMIT } from '../support/machines.ts';

const machine = await shipped('nested-migration');
const PARTS: TokenParts = {
  machine,
  scenarioFile: undefined,
  variants: ['p1'],
  given: {},
  without: new Set(),
  idle: new Set(),
  seed: '1a2b3c4d',
  schedule: 1_000_000,
  plan: { strategy: { strategy: STRATEGIES[0]!, option: 0 } },
  steps: 10_000,
  hash: '01234567',
};

/** As many bytes as an excerpt of the strategy takes in a machine: two actors are begun by others. */
function largestExcerpt(strategy: string, own: Machine): Excerpt | undefined {
  const length = lengthOnly({ decisions: 500_000, length: 500_000 });
  const { actors } = own;
  const counts = actors.map(() => 100);
  if (['random-walk', 'sticky', 'pos'].includes(strategy)) return undefined;
  if (strategy === 'surw')
    return { ...length, location: layoutThatFits(own, LIMIT).words >> 1, accesses: counts };
  if (strategy === 'urw')
    return { ...length, events: counts, parents: counts.map((_, actor) => (actor < 2 ? 1 : -1)) };
  return length;
}

function bytesOf(excerpt: Excerpt): number {
  const bytes = new ByteWriter();
  writeExcerpt(bytes, excerpt);
  return Buffer.from(bytes.base64, 'base64url').length;
}

describe('the token of a run', () => {
  it('has at most 80 characters for every shipped scenario, variant and strategy at the defaults', async () => {
    let longest = 0;
    for (const scenario of shippedScenarios()) {
      const own = await shipped(scenario);
      for (const strategy of STRATEGIES) {
        for (const variant of VARIANTS) {
          const text = tokenOf({
            ...PARTS,
            machine: own,
            variants: [variant.name],
            plan: {
              strategy: { strategy, option: strategy.option?.default ?? 0 },
              excerpt: largestExcerpt(strategy.name, own),
            },
          })!;
          longest = Math.max(longest, text.length);
        }
      }
    }
    expect(longest).toBeLessThanOrEqual(80);
    expect(longest).toBeGreaterThan(70);
  });

  it('has an excerpt no longer than that in the largest cast', async () => {
    const own = await shipped('kitchen-sink');
    const judge = { observer: () => new Observer(), begin: () => {}, atEnd: () => {} };
    const runtime = new ControlledRuntime({
      machine: own,
      layout: layoutThatFits(own, LIMIT),
      engine: P1_ENGINE,
      judge,
    });
    for (const strategy of STRATEGIES.filter(({ needsProfile }) => needsProfile)) {
      const chosen = { strategy, option: strategy.option?.default ?? 0 };
      const schedules = new Schedules(runtime, 1, chosen, locationGroups(runtime.kvm));
      const sizes = [16, 17, 18, 19, 20].map((schedule) => bytesOf(schedules.excerpt(schedule)!));
      expect(Math.max(...sizes)).toBeLessThanOrEqual(bytesOf(largestExcerpt(strategy.name, own)!));
    }
  });

  it('leads back to what it was made of', () => {
    for (const variant of VARIANTS) {
      const token = parseToken(
        tokenOf({ ...PARTS, variants: ['p2', variant.name], seed: 'a long seed with spaces'.repeat(2) })!,
      );
      expect(variantsOf(token)).toEqual(['p2', variant.name]);
      expect(planOf(token)).toEqual(PARTS.plan);
    }
  });

  it('has marks that tell all variants apart', () => {
    expect(new Set(VARIANTS.map(({ name }) => markOf(name))).size).toBe(VARIANTS.length);
  });

  it('with a mark or a strategy that this version does not have is refused', () => {
    const token = parseToken(tokenOf(PARTS)!);
    expect(() => variantsOf({ ...token, variants: ['@AAAA'] })).toThrow(
      /^token: it names a variant by @AAAA/,
    );
    expect(() => planOf({ ...token, plan: { strategy: 250, option: 0 } })).toThrow(
      /^token: it names strategy 250/,
    );
  });

  it('does not exist where the scenario or a variant is a file', () => {
    expect(tokenOf({ ...PARTS, scenarioFile: './mine.ts' })).toBeUndefined();
    expect(tokenOf({ ...PARTS, variants: ['./idea.ts'] })).toBeUndefined();
  });

  it('carries overrides, actors that stay away and findings that do not count', () => {
    const overrides = [
      { actor: -1, op: 0, next: 2 },
      { actor: 2, op: 300, next: 0 },
    ];
    const text = tokenOf({
      ...PARTS,
      plan: { overrides },
      idle: new Set([3, 1]),
      without: new Set(['Q35', 'D24']),
    })!;
    const token = parseToken(text);
    expect(text).toContain('~idle=1-3~without=D24-Q35.');
    expect(planOf(token)).toEqual({ overrides });
    expect(formatToken(token)).toBe(text);
  });

  it('tells a changed scenario from a changed engine', async () => {
    const token = parseToken(tokenOf(PARTS)!);
    const same = { steps: token.steps, hash: token.hash };
    expect(divergence(token, machine, same)).toBeUndefined();
    expect(divergence(token, machine, { ...same, hash: '00000000' })).toContain(
      'the engine, a variant, an actor',
    );
    const other = await shipped('nested-migration', { vcpus: '3' });
    expect(divergence(token, other, { ...same, steps: 1 })).toContain(
      'the scenario or its parameters have changed',
    );
  });
});
