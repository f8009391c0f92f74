import { describe, expect, it } from 'vitest';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../src/check/all.ts';
import { makeJudge } from '../../src/check/judge.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { machineHash, prove, type ProofMethod } from '../../src/campaign/prove.ts';
import { loadEngine } from '../../src/campaign/variants.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { LIMIT } from '../support/machines.ts';

interface Given {
  readonly variant?: string;
  readonly method?: ProofMethod;
  readonly maxSchedules?: number;
  readonly interrupted?: boolean;
  readonly ops?: number;
  readonly scenario?: string;
  readonly engine?: Partial<Engine>;
}

async function proofOf({ variant = 'p1', method = { kind: 'dpor' }, maxSchedules = 5000, ...given }: Given) {
  const scenario = await loadScenario(given.scenario ?? 'tiny-split');
  const machine = buildMachine(scenario, 'explore', { ops: given.ops ?? 1 });
  return prove({
    machine,
    layout: layoutThatFits(machine, LIMIT),
    engine: { ...(await loadEngine([variant])), ...given.engine },
    custom: scenario.actors,
    judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS, endRate: 1 }),
    seed: '1',
    variants: [variant],
    method,
    maxSchedules,
    interrupt: given.interrupted === true ? AbortSignal.abort() : new AbortController().signal,
    timeout: undefined,
  });
}

describe('proving the split of one page against one access', () => {
  it('runs every class of schedules once and finds nothing, twice the same', async () => {
    const { proof, violation } = await proofOf({});
    expect(violation).toBeUndefined();
    expect(proof).toMatchObject({
      method: 'dpor',
      complete: true,
      stopped: 'complete',
      schedules: 147,
      redundant: 0,
      truncated: 0,
      unfair: 0,
      overrides: null,
    });
    expect(proof.reordered).toMatchObject({ differences: [], races: [] });
    expect(proof.reordered.watched).toBe(147 + 2 * 64);
    expect(proof.reordered.runs).toBeGreaterThan(30);
    expect((await proofOf({})).proof.hash).toBe(proof.hash);
  });

  it('cuts off a run in which an actor works until another one stops it, and proves nothing', async () => {
    const { proof } = await proofOf({ scenario: 'dirty-ring', maxSchedules: 12, ops: 0 });
    expect(proof).toMatchObject({ truncated: 1, complete: false, stopped: 'schedules' });
    expect(proof.longest).toBe(100_000);
  });

  it('refuses a machine whose actors share what no operation names, and says what', async () => {
    const scenario = 'tiny-descriptors';
    const { reordered } = (await proofOf({ scenario, maxSchedules: 2 })).proof;
    expect([...reordered.differences, ...reordered.races]).toEqual([]);
    const engine: Partial<Engine> = {
      // oxlint-disable-next-line require-yield
      *fillReusedChild(pass, sp, from) {
        return P1_ENGINE.fillSplitChild(pass, sp, from);
      },
    };
    const hidden = (await proofOf({ scenario, maxSchedules: 2, engine })).proof.reordered;
    expect(hidden.races).toContainEqual(
      expect.stringMatching(
        /^SPTE \[\d\] of L\d direct .*, which (migration writes|L2 vCPU 0 reads) and .* with no operation/,
      ),
    );
  });

  it('finds a bug that links before it fills, with its schedule, and says so again', async () => {
    const { proof, violation } = await proofOf({ variant: 'link-before-fill' });
    expect(violation?.id).toBe('Q35');
    expect(proof).toMatchObject({ complete: false, stopped: 'violation', reproduced: true });
    expect(proof.overrides).not.toBeNull();
  });

  it('runs all schedules with few preemptions, each once', async () => {
    const one = (await proofOf({ method: { kind: 'preemptions', bound: 1 } })).proof;
    const two = (await proofOf({ method: { kind: 'preemptions', bound: 2 } })).proof;
    expect(one).toMatchObject({ complete: true, bound: 1, exhausted: 1, ofNext: null });
    expect(two).toMatchObject({ complete: true, bound: 2, exhausted: 2 });
    expect(two.schedules).toBeGreaterThan(3 * one.schedules);
  });

  it('chooses DPOR where that seems to end, and else the preemptions that the budget has room for', async () => {
    expect((await proofOf({ method: { kind: 'choose' } })).proof).toMatchObject({ method: 'dpor', why: '' });
    const { proof } = await proofOf({ method: { kind: 'choose' }, maxSchedules: 12 });
    expect(proof).toMatchObject({ method: 'preemptions', bound: 0, complete: true });
    expect(proof.why).toMatch(/more than the budget/);
  });

  it('says how far it came when the budget ends', async () => {
    expect((await proofOf({ maxSchedules: 20 })).proof).toMatchObject({
      complete: false,
      stopped: 'schedules',
      schedules: 20,
    });
    const { proof } = await proofOf({ method: { kind: 'preemptions', bound: 2 }, maxSchedules: 100 });
    expect(proof).toMatchObject({ complete: false, stopped: 'schedules', exhausted: 1 });
    expect(proof.ofNext).toBeGreaterThan(0);
    expect(proof.ofNext).toBeLessThan(1);
  });

  it('ends at once when it is interrupted', async () => {
    expect((await proofOf({ interrupted: true })).proof).toMatchObject({
      complete: false,
      stopped: 'interrupted',
      schedules: 0,
    });
  });

  it('names the machine by a hash that every parameter and variant changes', async () => {
    const scenario = await loadScenario('tiny-split');
    const hash = (given: object, variant: string): string =>
      machineHash(buildMachine(scenario, 'explore', { ...given }), [variant]);
    const hashes = [hash({}, 'p1'), hash({}, 'p2'), hash({ ops: 2 }, 'p1'), hash({ preempt: 'none' }, 'p1')];
    expect(new Set(hashes).size).toBe(4);
    expect(hash({}, 'p1')).toBe(hashes[0]);
  });
});
