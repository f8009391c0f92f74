/**
 * Is the net alive? Before a verdict counts, three things that must go wrong are made to: a bug that any schedule shows must be
 * found, a replay on changed code must diverge, and a state check must fire on a state that was broken by hand (after
 * TigerBeetle's canary and locktorture's broken lock).
 */
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../check/all.ts';
import { makeJudge } from '../check/judge.ts';
import { CheckRunner } from '../check/run-checks.ts';
import type { StateCheck } from '../check/types.ts';
import { masterSeed } from '../cpu/random.ts';
import { Profile } from '../explore/profile.ts';
import randomWalk from '../explore/strategies/random-walk.ts';
import type { Engine } from '../mmu/engine.ts';
import { KVM } from '../mmu/kvm.ts';
import { P1_ENGINE } from '../mmu/default-engine.ts';
import { ControlledRuntime, type Judge } from '../runtime/controlled.ts';
import { buildMachine, layoutThatFits } from '../scenario/build.ts';
import { loadScenario } from '../scenario/load.ts';
import linkBeforeFill from '../variants/bugs/link-before-fill.ts';
import p0 from '../variants/profiles/p0.ts';
import { engineOf } from '../variants/index.ts';

/** A bug that nearly every schedule shows is not found within this many: the search is blind. */
const SCHEDULES = 32;
const LIMIT = 2 ** 32;

/** What can be put in place of the real parts, to see that the canary notices. */
export interface CanaryParts {
  readonly judge?: () => Judge;
  readonly bug?: Engine;
  readonly clean?: Engine;
  /** Flushes where the clean one does not. */
  readonly other?: Engine;
  readonly stateChecks?: readonly StateCheck[];
}

/** Says what is dead; empty if the net is alive. Takes a tenth of a second, and touches nothing of the run it is for. */
export async function canary(parts: CanaryParts = {}): Promise<readonly string[]> {
  const scenario = await loadScenario('nested-migration');
  const machine = buildMachine(scenario, 'explore', {});
  const layout = layoutThatFits(machine, LIMIT);
  const judge =
    parts.judge ?? (() => makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }));
  const make = (engine: Engine): ControlledRuntime =>
    new ControlledRuntime({ machine, layout, engine, custom: scenario.actors, judge: judge() });
  const master = masterSeed('canary');
  const scheduler = randomWalk.make({ master, option: 0, profile: new Profile() });
  const dead: string[] = [];

  const bugged = make(parts.bug ?? engineOf([linkBeforeFill]));
  const clean = make(parts.clean ?? P1_ENGINE);
  const other = make(parts.other ?? engineOf([p0]));
  let caught = false;
  let diverged = false;
  for (let schedule = 0; schedule < SCHEDULES && !(caught && diverged); schedule++) {
    if (bugged.run(scheduler, master, schedule).violations.length > 0) caught = true;
    const { hash } = clean.run(scheduler, master, schedule);
    if (other.run(scheduler, master, schedule).hash !== hash) diverged = true;
  }
  if (!caught) dead.push(`a child that is linked before it is filled was not seen in ${SCHEDULES} schedules`);
  if (!diverged)
    dead.push('the trace of another engine has the same hash: a replay on changed code would pass');
  if (!oracleFires(clean, parts.stateChecks ?? ALL_STATE_CHECKS))
    dead.push('a page too many in n_used_mmu_pages was not seen by the state checks (Q4)');
  return dead;
}

/** The state that a run has left, with one count changed behind the model's back. */
function oracleFires({ kvm }: ControlledRuntime, checks: readonly StateCheck[]): boolean {
  let seen = false;
  kvm.put(KVM.nUsed, kvm.get(KVM.nUsed) + 1);
  new CheckRunner((id) => {
    if (id === 'Q4') seen = true;
  }).run(kvm, checks);
  kvm.put(KVM.nUsed, kvm.get(KVM.nUsed) - 1);
  return seen;
}
