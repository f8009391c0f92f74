import { describe, expect, it } from 'vitest';
import { runtimeOf, type RunSpec } from '../../src/campaign/run-spec.ts';
import { compareWithFile, recordSchedule } from '../../src/campaign/schedule-files.ts';
import { parseStrategy } from '../../src/explore/strategies/index.ts';
import type { ScheduleFile } from '../../src/explore/schedule-file.ts';
import { engineOf, findVariant } from '../../src/variants/index.ts';
import { layoutThatFits, type Machine } from '../../src/scenario/build.ts';
import { engineNamed, shipped } from '../support/hunt.ts';
import { LIMIT } from '../support/machines.ts';

const specOf = (machine: Machine, more: Partial<RunSpec> = {}): RunSpec => ({
  machine,
  layout: layoutThatFits(machine, LIMIT),
  engine: engineNamed('never-flush-on-reuse'),
  custom: undefined,
  without: new Set(),
  idle: new Set(),
  seed: '1',
  schedule: 0,
  plan: { strategy: parseStrategy('random-walk') },
  ...more,
});
const SPEC = specOf(await shipped('nx-partial-reuse'));
const PARTS = {
  spec: SPEC,
  scenarioName: 'nx-partial-reuse',
  variants: ['never-flush-on-reuse'],
  given: {},
  foundBy: 'random-walk',
};
const recorded = (): ScheduleFile => recordSchedule(runtimeOf(SPEC), PARTS).file;
const FILE = recorded();

const compare = (spec: RunSpec, file: ScheduleFile = FILE) => compareWithFile(runtimeOf(spec), spec, file);

describe('a schedule file of a run', () => {
  it('is the same each time, and has the failing run as overrides', () => {
    expect(recorded()).toEqual(FILE);
    expect(FILE.violation).toBe('D24');
    expect(FILE.overrides.length).toBeGreaterThan(20);
    expect(FILE.log.steps.length).toBe(FILE.steps);
    expect(compare(SPEC)).toBeUndefined();
  });

  it('has the same fingerprint for the same order of dependent operations only', async () => {
    const other = { ...SPEC, schedule: 1 };
    const { file } = recordSchedule(runtimeOf(other), { ...PARTS, spec: other });
    expect(file.fingerprint).not.toBe(FILE.fingerprint);
  });

  it('stops a changed engine at the first step that differs and names both operations', () => {
    const mismatch = compare(specOf(SPEC.machine, { engine: engineNamed('p1') }));
    expect(mismatch?.kind).toBe('diverged');
    expect(mismatch?.text).toMatch(/^step \d+ should be \S.*: \w+ .* and is .*: \w+ /);
    expect(mismatch?.text).toContain('the engine is another: it was never-flush-on-reuse and is p1');
  });

  it('stops changed code under the same name', () => {
    // Another bug under the old name stands for an engine that was edited.
    const edited = { ...findVariant('no-restart-after-eagain')!, name: 'never-flush-on-reuse' };
    const mismatch = compare(specOf(SPEC.machine, { engine: engineOf([edited]) }));
    expect(mismatch?.kind).toBe('diverged');
    expect(mismatch?.text).toMatch(
      /^step \d+ should be .*; the engine or an actor has changed: scenario, parameters/,
    );
  });

  it('names the parameters that have changed', async () => {
    const mismatch = compare(specOf(await shipped('nx-partial-reuse', { burst: '2' })));
    expect(mismatch?.kind).toBe('diverged');
    expect(mismatch?.text).toContain('parameters have changed: burst was 6 and is 2');
  });

  it('tells a scenario that changed with the same parameters', () => {
    const [first, ...rest] = SPEC.machine.populate;
    expect(first).toBeDefined();
    const mismatch = compare(specOf({ ...SPEC.machine, populate: rest }));
    expect(mismatch?.text).toContain('the scenario has changed, with the same parameters');
  });

  it('of other actors is bad input', async () => {
    const mismatch = compare(specOf(await shipped('nx-partial-reuse', { vcpus: '3' })));
    expect(mismatch?.kind).toBe('bad-input');
    expect(mismatch?.text).toContain(
      'it is of another scenario: its actors are migration, L2 vCPU 0, L2 vCPU 1;',
    );
  });

  it('with an override that is never reached is bad input', () => {
    const late = { actor: 0, op: 90_000, next: 1 };
    const mismatch = compare(SPEC, { ...FILE, overrides: [...FILE.overrides, late] });
    expect(mismatch?.kind).toBe('bad-input');
    expect(mismatch?.text).toMatch(
      /^an override no longer applies \(after move 90000 of migration, L2 vCPU 0 goes on\)/,
    );
  });

  it('with an override to an actor that cannot go on is bad input', () => {
    const [first, ...rest] = FILE.overrides;
    const spec = { ...SPEC, idle: new Set([first!.next]) };
    const mismatch = compare(spec, { ...FILE, overrides: [first!, ...rest] });
    expect(mismatch?.kind).toBe('bad-input');
    expect(mismatch?.text).toMatch(
      /^an override no longer applies \(at the start, L2 vCPU 0 goes on\): seen at step 0/,
    );
  });

  it('notices a value, a hash, an end and a verdict that differ', () => {
    const { log } = FILE;
    const steps = log.steps.map((step, i) => (i === 30 ? { ...step, check: step.check ^ 1 } : step));
    expect(compare(SPEC, { ...FILE, log: { ...log, steps } })?.text).toMatch(
      /^step 31 is .* as expected, but with another value/,
    );
    const blocks = log.blocks.map((hash, i) => (i === 1 ? hash ^ 1 : hash));
    expect(compare(SPEC, { ...FILE, log: { ...log, blocks } })?.text).toMatch(
      /^the 64 steps up to 128 are others/,
    );
    const longer = { ...log, steps: [...log.steps, log.steps[0]!] };
    expect(compare(SPEC, { ...FILE, steps: FILE.steps + 1, log: longer })?.text).toMatch(
      /and is the end of the run/,
    );
    const shorter = { ...log, steps: log.steps.slice(0, -1) };
    expect(compare(SPEC, { ...FILE, steps: FILE.steps - 1, log: shorter })?.text).toMatch(
      /should be the end of the run and is/,
    );
    expect(compare(SPEC, { ...FILE, violation: 'Q35' })?.text).toMatch(/a check has changed$/);
  });
});
