/** The laboratory: makes the searches that an experiment asks for, and keeps a record of each. One thread. */
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../../check/all.ts';
import { makeJudge } from '../../check/judge.ts';
import { COUNTERS, C, type CounterName } from '../../cpu/counters.ts';
import { masterSeed } from '../../cpu/random.ts';
import { locationGroups } from '../../explore/locations.ts';
import { Schedules } from '../../explore/scheduler-of.ts';
import { parseStrategy } from '../../explore/strategies/index.ts';
import { LOCK_ROWS, mergeFigures } from '../../measure/lock-stats.ts';
import type { ClaimRun, Witness } from '../../report/claim-record.ts';
import { commutes } from '../../report/statement.ts';
import type { PlainCpu } from '../../cpu/plain-cpu.ts';
import { ControlledRuntime, type ControlledResult, type Judge } from '../../runtime/controlled.ts';
import type { Violation } from '../../runtime/outcome.ts';
import { ControlledMeasures } from '../controlled-statistics.ts';
import { prove, PROVED_SCHEDULE } from '../prove.ts';
import { runtimeOf, schedulerOf, type RunPlan, type RunSpec } from '../run-spec.ts';
import { search } from '../search.ts';
import { shrinkFailure } from '../shrink-failure.ts';
import { tokenOf } from '../tokens.ts';
import type {
  ExploreSetting,
  HuntSetting,
  Lab,
  Measured,
  MeasureSetting,
  ProveSetting,
  Searched,
  Setting,
} from './define.ts';
import { commandOf, subjectOf, type Injection, type Subject } from './subject.ts';

export interface LabOptions {
  readonly seed: string;
  /** Multiplies the schedules of random searches. */
  readonly effort: number;
  /** Replays to shrink a failure with; 0: it stays as it is. */
  readonly replays: number;
  readonly injections: readonly Injection[];
  readonly signal: AbortSignal;
  /** Most schedules of a hunt, whatever it asks for. */
  readonly huntAtMost?: number;
}

/** The time was up, or the user ended it. */
export class OutOfTime extends Error {
  override readonly name = 'OutOfTime';
}

/** A longer run, such as a livelock, is not shrunk. */
const MOST_STEPS_SHRUNK = 10_000;
/** Schedules between two looks at the event loop when locks are measured. */
const SLICE = 16;

const sum = (cpus: readonly PlainCpu[], name: CounterName): number =>
  cpus.reduce((total, { counters }) => total + counters[C[name]]!, 0);

const countersOf = (cpus: readonly PlainCpu[]): Record<CounterName, number> =>
  Object.fromEntries(COUNTERS.map((name) => [name, sum(cpus, name)])) as Record<CounterName, number>;

export class Laboratory implements Lab {
  readonly runs: ClaimRun[] = [];
  /** Schedules of the longest hunt that found something. */
  longestHunt = 0;
  private readonly options: LabOptions;

  constructor(options: LabOptions) {
    this.options = options;
  }

  explore(setting: ExploreSetting): Promise<Searched> {
    return this.search(setting, this.scaled(setting.schedules));
  }

  async hunt(setting: HuntSetting): Promise<Searched> {
    const { huntAtMost = Infinity } = this.options;
    const searched = await this.search(setting, Math.min(setting.atMost, huntAtMost));
    if (searched.failure !== undefined) this.longestHunt = Math.max(this.longestHunt, searched.schedules);
    return searched;
  }

  private async search(setting: HuntSetting | ExploreSetting, schedules: number): Promise<Searched> {
    const { seed, signal } = this.options;
    const subject = await subjectOf(setting, this.options.injections);
    const keepGoing = 'keepGoing' in setting && setting.keepGoing;
    const strategy = setting.strategy ?? 'portfolio';
    const result = await search({
      ...subject,
      custom: subject.scenario.actors,
      judge: judgeFor(setting),
      seed,
      from: 0,
      schedules,
      maxFailures: keepGoing ? Infinity : 1,
      strategy: parseStrategy(strategy),
      twice: false,
      signal,
    });
    if (result.error !== undefined) throw new Error(result.error);
    if (result.diverged.length > 0)
      throw new Error(
        `a schedule of ${setting.scenario} gave another trace the second time: ${result.differences[0]}`,
      );
    if (result.interrupted) throw new OutOfTime('the time was up');
    const first = result.failures[0];
    this.runs.push({
      command: commandOf(
        'explore',
        setting,
        subject,
        seed,
        `--schedules ${schedules}${strategy === 'portfolio' ? '' : ` --strategy ${strategy}`}${keepGoing ? ' --keep-going' : ''}`,
      ),
      method: 'random',
      schedules: result.schedules,
      steps: result.steps,
      complete: false,
      ...(result.coverage === undefined ? {} : { nextIsNew: result.coverage.behaviours.nextIsNew }),
      ...(first === undefined ? {} : { broken: first.violation.id }),
    });
    return {
      schedules: result.schedules,
      steps: result.steps,
      complete: false,
      failing: result.byCheck,
      counters: countersOf(result.runtime.cpus),
      failure:
        first === undefined
          ? undefined
          : this.witness(subject, setting, first.violation, first.schedule, {
              strategy: parseStrategy(first.strategy),
              excerpt: first.excerpt,
            }),
    };
  }

  async prove(setting: ProveSetting): Promise<Searched> {
    const { seed, signal } = this.options;
    const subject = await subjectOf(setting, this.options.injections);
    const { preemptions } = setting;
    const { proof, runtime, violation } = await prove({
      ...subject,
      custom: subject.scenario.actors,
      judge: judgeFor(setting, 1),
      seed,
      method: preemptions === undefined ? { kind: 'dpor' } : { kind: 'preemptions', bound: preemptions },
      maxSchedules: setting.atMost,
      interrupt: signal,
      timeout: undefined,
    });
    if (!proof.reproduced)
      throw new Error(`a schedule of ${setting.scenario} gave another trace the second time`);
    if (proof.stopped === 'interrupted') throw new OutOfTime('the time was up');
    const complete = proof.complete && commutes(proof);
    const how = preemptions === undefined ? '--dpor' : `--preemptions ${preemptions}`;
    this.runs.push({
      command: commandOf('prove', setting, subject, seed, how),
      method: preemptions === undefined ? 'every behaviour' : 'preemptions',
      schedules: proof.schedules,
      steps: proof.steps,
      complete,
      ...(preemptions === undefined ? {} : { bound: preemptions }),
      ...(violation === undefined ? {} : { broken: violation.id }),
    });
    return {
      schedules: proof.schedules,
      steps: proof.steps,
      complete,
      failing: violation === undefined ? {} : { [violation.id]: 1 },
      counters: countersOf(runtime.cpus),
      failure:
        violation === undefined
          ? undefined
          : this.witness(subject, setting, violation, PROVED_SCHEDULE, { overrides: proof.overrides! }),
    };
  }

  async measure(setting: MeasureSetting): Promise<Measured> {
    const { seed, signal } = this.options;
    const subject = await subjectOf(setting, this.options.injections);
    const runtime = new ControlledRuntime({
      ...subject,
      custom: subject.scenario.actors,
      judge: judgeFor(setting),
    });
    const measures = new ControlledMeasures(runtime);
    const master = masterSeed(seed);
    const strategy = parseStrategy(setting.strategy ?? 'random-walk');
    const order = new Schedules(runtime, master, strategy, locationGroups(runtime.kvm));
    const wanted = this.scaled(setting.schedules);
    let schedules = 0;
    let steps = 0;
    let failed: { readonly violation: Violation; readonly schedule: number } | undefined;
    // What a profile costs is not part of the measurement.
    order.of(0);
    for (const cpu of runtime.cpus) cpu.counters.fill(0);
    while (schedules < wanted && failed === undefined) {
      const result = runtime.run(order.of(schedules), master, schedules);
      const violation = result.violations[0];
      if (violation !== undefined) failed = { violation, schedule: schedules };
      schedules++;
      steps += result.steps;
      if (schedules % SLICE !== 0) continue;
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      if (signal.aborted) throw new OutOfTime('the time was up');
    }
    const { locks } = measures.statistics(runtime, steps, []);
    this.runs.push({
      command: commandOf(
        'explore',
        setting,
        subject,
        seed,
        `--schedules ${wanted} --strategy ${setting.strategy ?? 'random-walk'}`,
      ),
      method: 'measured',
      schedules,
      steps,
      complete: false,
      ...(failed === undefined ? {} : { broken: failed.violation.id }),
    });
    return {
      schedules,
      steps,
      failing: failed === undefined ? {} : { [failed.violation.id]: 1 },
      counters: countersOf(runtime.cpus),
      failure:
        failed === undefined
          ? undefined
          : this.witness(subject, setting, failed.violation, failed.schedule, {
              strategy,
              excerpt: order.excerpt(failed.schedule),
            }),
      lock: (row, cls) => {
        const { byClass } = locks[LOCK_ROWS.indexOf(row)]!;
        const of = byClass
          .filter((entry) => cls === undefined || entry.cls === cls)
          .map(({ figures }) => figures);
        const { acquisitions, contentions, hold } = mergeFigures(of);
        return { acquisitions, contentions, held: hold.total, longest: hold.max };
      },
    };
  }

  private scaled(schedules: number): number {
    return Math.max(1, Math.round(schedules * this.options.effort));
  }

  /** Shrinks a failing run as far as the replays allow, and names it by a token if one can. */
  private witness(
    subject: Subject,
    setting: Setting,
    violation: Violation,
    schedule: number,
    plan: RunPlan,
  ): Witness {
    const { seed, replays } = this.options;
    const variants = subject.variants.filter((name) => name !== 'p1' || subject.variants.length === 1);
    const what = `${setting.scenario}${variants[0] === 'p1' ? '' : ` under ${variants.join('+')}`}`;
    const spec: RunSpec = {
      ...subject,
      custom: subject.scenario.actors,
      idle: new Set(),
      seed,
      schedule,
      plan,
    };
    const common = { what, check: violation.id, found: violation.text };
    const run = this.replayed(spec);
    const as = (of: RunSpec, result: ControlledResult, given: Subject['given']): Witness => {
      const token = subject.shipped ? tokenOf({ ...subject, ...of, ...result, given }) : undefined;
      return { ...common, preemptions: result.preemptions, ...(token === undefined ? {} : { token }) };
    };
    // The checks of a proof look at the whole state more often than those of a replay.
    if (run.violations.length === 0) return { ...common, preemptions: run.preemptions };
    if (!subject.shipped || replays === 0 || run.steps > MOST_STEPS_SHRUNK)
      return as(spec, run, subject.given);
    const minimal = shrinkFailure({
      spec,
      scenario: subject.scenario,
      given: subject.given,
      maxReplays: replays,
      maxCertificate: 0,
      keepWorkload: false,
    });
    return as(minimal.spec, minimal.result, minimal.given);
  }

  private replayed(spec: RunSpec): ControlledResult {
    const runtime = runtimeOf(spec);
    return runtime.run(schedulerOf(runtime, spec), masterSeed(spec.seed), spec.schedule);
  }
}

/** All checks, and those of the experiment. @param endRate as in JudgeOptions: how often the costly ones run on the way */
function judgeFor({ checks }: Setting, endRate?: number): Judge {
  return makeJudge({
    stateChecks: ALL_STATE_CHECKS,
    stepChecks: [...ALL_STEP_CHECKS, ...(checks ?? [])],
    endRate,
  });
}
