/**
 * Making the workload of a failing run smaller (explorer notes 4.9, step 5): fewer actors, rounds and accesses, less memory, by
 * the scenario's own parameters, and other data. Every candidate is another machine; the overrides are played on it as far as they apply.
 */
import { totalmem } from 'node:os';
import { masterSeed } from '../cpu/random.ts';
import { minimise, replayOverrides, stepLimit, type FailingRun, type Workplace } from '../explore/shrink.ts';
import type { ControlledRuntime } from '../runtime/controlled.ts';
import { buildMachine, layoutThatFits, scenarioParameters } from '../scenario/build.ts';
import type { Scenario } from '../scenario/define.ts';
import { formatSize, PAGE_SIZE, type ParameterValue, type ParameterValues } from '../scenario/parameters.ts';
import { refuseSenseless } from './refusals.ts';
import { runtimeOf, type RunSpec } from './run-spec.ts';
import { signatureOf } from './signature.ts';

/** A failing run with the machine it fails on. */
export interface Failing {
  readonly spec: RunSpec;
  readonly given: Readonly<Record<string, string | boolean>>;
  readonly runtime: ControlledRuntime;
  readonly place: Workplace;
  readonly run: FailingRun;
}

/** Replays that this stage may take at most. */
const MAX_REPLAYS = 80;
/** A smaller workload must save this part of the steps: otherwise the token would grow for nothing. */
export const WORTHWHILE = 0.9;
/** Other data that are tried. */
const OTHER_SCHEDULES = 4;

/** Values below the present one, the smallest first. */
function below(value: number, least: number): number[] {
  const values = [least, Math.floor(value / 4), Math.floor(value / 2)];
  return [...new Set(values)].filter((one) => one >= least && one < value);
}

/** What may be made smaller, in the order in which it is tried. */
function candidates(p: ParameterValues): (readonly [name: string, value: ParameterValue])[] {
  const number = (name: string): number => Number(p[name] ?? 0);
  const of = (name: string, values: readonly ParameterValue[]) =>
    values.map((value) => [name, value] as const);
  const zero = (name: string) => of(name, number(name) > 0 ? [0] : []);
  const pages = number('memory') / PAGE_SIZE;
  return [
    ...of('vcpus', below(number('vcpus'), 1)),
    ...of('splitters', below(number('splitters'), 1)),
    ...UNLIMITED.flatMap((name) => of(name, number(name) === 0 ? [1, 2, 4] : below(number(name), 1))),
    ...of('burst', below(number('burst'), 1)),
    ...of('rounds', below(number('rounds'), 0)),
    ...of(
      'memory',
      below(pages, 4).map((count) => count * PAGE_SIZE),
    ),
    ...['reschedRate', 'rootSwitchRate', 'execFraction', 'swarm', 'allocFailRate', 'enomemRate'].flatMap(
      zero,
    ),
  ];
}

/** 0 is no limit for these. */
const UNLIMITED = ['ops', 'castRounds'];

/** The list of candidates is older than the parameters that were accepted since. */
const isSmaller = (name: string, value: ParameterValue, now: ParameterValue | undefined): boolean =>
  Number(value) < Number(now) || (UNLIMITED.includes(name) && Number(now) === 0);

const textOf = (name: string, value: ParameterValue): string =>
  name === 'memory' ? formatSize(Number(value)) : String(value);

/** The machine with one parameter changed; undefined if there is no such machine. */
function smaller(
  from: Failing,
  scenario: Scenario,
  name: string,
  value: ParameterValue,
): Failing | undefined {
  const given = { ...from.given, [name]: textOf(name, value) };
  try {
    const machine = buildMachine(scenario, 'explore', given);
    refuseSenseless(machine, from.spec.engine);
    const layout = layoutThatFits(machine, totalmem() / 2);
    const idle = new Set([...from.spec.idle].filter((actor) => actor < machine.actors.length));
    const spec: RunSpec = { ...from.spec, machine, layout, idle };
    const runtime = runtimeOf(spec);
    const place = { ...from.place, runner: runtime, signature: signatureOf(runtime.kvm) };
    return { ...from, spec, given, runtime, place };
  } catch (error) {
    const known = ['ParameterError', 'ScenarioError', 'ArenaError'];
    if (error instanceof Error && known.includes(error.name)) return undefined;
    throw error;
  }
}

/** True if the run is worth another machine: no more preemptions, and fewer steps or fewer actors. */
function worthwhile(now: FailingRun, before: FailingRun, fewerActors: boolean): boolean {
  if (now.result.preemptions > before.result.preemptions) return false;
  if (now.result.preemptions < before.result.preemptions) return true;
  const limit = fewerActors ? 1 : WORTHWHILE;
  return (
    now.result.steps <= limit * before.result.steps && (fewerActors || now.result.steps < before.result.steps)
  );
}

/** The first failing run on the candidate that is worth it. */
function tryOn(candidate: Failing, before: Failing, spent: { left: number }): Failing | undefined {
  const { place, runtime } = candidate;
  const actors = runtime.cpus.length;
  const fits = before.run.overrides.filter(({ actor, next }) => actor < actors && next < actors);
  const idle = new Set([...before.run.idle].filter((actor) => actor < actors));
  const kept = new Map([...before.run.kept].filter(([actor]) => actor < actors));
  const active = (size: number, machine: Failing): number => machine.runtime.cpus.length - size;
  runtime.maxSteps = stepLimit(before.run.result.steps);
  for (const [overrides, away] of [
    [fits, { idle, kept }],
    [fits, { idle: new Set<number>(), kept }],
    [[], { idle, kept }],
  ] as const) {
    if (spent.left <= 0 || !place.budget.take()) return undefined;
    spent.left--;
    const run = replayOverrides(place, overrides, away);
    if (run === undefined) continue;
    const fewer = active(run.idle.size, candidate) < active(before.run.idle.size, before);
    if (worthwhile(run, before.run, fewer)) return { ...candidate, run };
  }
  return undefined;
}

/** Makes the workload smaller as long as the failure stays and the budget lasts. */
export function shrinkWorkload(start: Failing, scenario: Scenario): Failing {
  let current = start;
  const spent = { left: MAX_REPLAYS };
  const names = new Set(Object.keys(scenarioParameters(scenario, 'explore')));
  const accept = (found: Failing): void => {
    current = { ...found, run: minimise(found.place, found.run) };
  };
  for (let again = true; again && spent.left > 0;) {
    again = false;
    for (const [name, value] of candidates(current.spec.machine.parameters)) {
      if (!names.has(name) || !isSmaller(name, value, current.spec.machine.parameters[name])) continue;
      const candidate = smaller(current, scenario, name, value);
      const found = candidate === undefined ? undefined : tryOn(candidate, current, spent);
      if (found === undefined) continue;
      accept(found);
      again = true;
    }
  }
  for (let other = 0; other < OTHER_SCHEDULES && spent.left > 0; other++) {
    if (other === current.spec.schedule) continue;
    const spec = { ...current.spec, schedule: other };
    const candidate = { ...current, spec, place: { ...current.place, schedule: other } };
    const found = tryOn(candidate, current, spent);
    if (found !== undefined) accept(found);
  }
  return current;
}

/** The place where a failing run is shrunk. */
export const placeOf = (
  spec: RunSpec,
  runtime: ControlledRuntime,
  parts: Pick<Workplace, 'wanted' | 'budget'>,
): Workplace => ({
  runner: runtime,
  master: masterSeed(spec.seed),
  schedule: spec.schedule,
  signature: signatureOf(runtime.kvm),
  ...parts,
});
