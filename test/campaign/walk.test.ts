import { describe, expect, it } from 'vitest';
import { runtimeOf, type RunSpec } from '../../src/campaign/run-spec.ts';
import { StepStates } from '../../src/campaign/step-states.ts';
import { Walk } from '../../src/campaign/walk.ts';
import { masterSeed } from '../../src/cpu/random.ts';
import { parseStrategy } from '../../src/explore/strategies/index.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { renderStep } from '../../src/report/step-view.ts';
import { layoutThatFits } from '../../src/scenario/build.ts';
import { engineNamed, shipped } from '../support/hunt.ts';
import { LIMIT } from '../support/machines.ts';

const machine = await shipped('nx-partial-reuse');
const SPEC: RunSpec = {
  machine,
  layout: layoutThatFits(machine, LIMIT),
  engine: engineNamed('never-flush-on-reuse'),
  custom: undefined,
  without: new Set(),
  idle: new Set(),
  seed: '1',
  schedule: 0,
  plan: { strategy: parseStrategy('random-walk') },
};
const OPTIONS = { width: 80, color: false, height: 24 };

describe('the states of a run', () => {
  it('undone from the end lead to the booted memory, and redone to the end', () => {
    const runtime = runtimeOf(SPEC);
    const { w } = runtime.kvm;
    const booted = w.slice();
    const states = new StepStates(runtime.kvm.arena, () => runtime.log.steps);
    const result = runtime.run(states.wrap(new RandomWalk(masterSeed('1'))), masterSeed('1'), 0);
    const ended = w.slice();
    expect(ended).not.toEqual(booted);
    expect(states.changes.length).toBe(result.steps + 1);
    for (const step of states.changes.toReversed())
      for (const { word, before } of step.toReversed()) w[word] = before;
    expect(w).toEqual(booted);
    for (const step of states.changes) for (const { word, after } of step) w[word] = after;
    expect(w).toEqual(ended);
  });
});

describe('a walk', () => {
  it('shows the same at a step, wherever it comes from', () => {
    const walk = new Walk(SPEC);
    const forward: string[][] = [];
    for (let step = 0; step <= walk.last; step++) {
      walk.go(step);
      forward.push(renderStep(walk.view(), OPTIONS));
    }
    for (let step = walk.last; step >= 0; step--) {
      walk.go(step);
      expect(renderStep(walk.view(), OPTIONS)).toEqual(forward[step]);
    }
    walk.go(77);
    expect(renderStep(walk.view(), OPTIONS)).toEqual(forward[77]);
  });

  it('stays within the run', () => {
    const walk = new Walk(SPEC);
    walk.go(-5);
    expect(walk.at).toBe(0);
    expect(walk.view().step).toBeUndefined();
    walk.go(1e9);
    expect(walk.at).toBe(walk.last);
    expect(walk.view().violation).toMatch(/^D24: /);
    expect(walk.find(1, () => true)).toBe(walk.last);
  });

  it('decodes an SPTE that a step changes, and fits the screen', () => {
    const walk = new Walk(SPEC);
    walk.go(walk.rows.find((row) => row.value === '-> table 39' && row.changed)!.step);
    const lines = renderStep(walk.view(), OPTIONS);
    expect(lines.join('\n')).toMatch(/L\d\[\d\]@0x\w+: none => -> table 39/);
    for (let step = 0; step <= walk.last; step++) {
      walk.go(step);
      const shown = renderStep(walk.view(), OPTIONS);
      expect(shown.length).toBeLessThan(24);
      expect(Math.max(...shown.map((line) => line.length))).toBeLessThanOrEqual(80);
    }
  });
});
