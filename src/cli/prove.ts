/** `splitstorm prove`: every behaviour of a small machine, or every schedule with few preemptions. */
import type { CommandModule } from 'yargs';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../check/all.ts';
import { makeJudge } from '../check/judge.ts';
import { canary } from '../campaign/canary.ts';
import { controlledStatistics } from '../campaign/controlled-statistics.ts';
import { checkIds, makeOutcome } from '../campaign/outcome.ts';
import { prove, PROVED_SCHEDULE, type ProofMethod } from '../campaign/prove.ts';
import { runtimeOf, schedulerOf } from '../campaign/run-spec.ts';
import { tokenOf } from '../campaign/tokens.ts';
import { masterSeed } from '../cpu/random.ts';
import type { Override } from '../explore/overrides.ts';
import { renderProof } from '../report/proof.ts';
import { commutes } from '../report/statement.ts';
import { parseCount, parseDuration } from './duration.ts';
import { interruptible, Output } from './output.ts';
import { choose, reproduceCommand, scenarioFromArgs, withScenario, type Chosen } from './scenario-options.ts';
import { textOption, UsageError } from './usage.ts';

const DEFAULT_SCHEDULES = 200_000;
/** The default, so that two who prove the same prove the same. */
const DEFAULT_SEED = '1';

/** @throws UsageError */
function parseMethod(argv: Readonly<Record<string, unknown>>): ProofMethod {
  const preemptions = textOption(argv, 'preemptions');
  const dpor = argv['dpor'] === true;
  if (preemptions === undefined) return { kind: dpor ? 'dpor' : 'choose' };
  if (dpor) throw new UsageError('--dpor and --preemptions: both given, allowed is one of them');
  return { kind: 'preemptions', bound: parseCount(preemptions, 'preemptions', 0, 1000) };
}

/** The token of a schedule that fails under the checks of replay, too, which look at the whole state less often. */
function tokenOfOverrides(chosen: Chosen, overrides: readonly Override[]): string | undefined {
  const spec = {
    ...chosen,
    custom: chosen.scenario.actors,
    idle: new Set<number>(),
    schedule: PROVED_SCHEDULE,
    plan: { overrides },
  };
  const runtime = runtimeOf(spec);
  const { violations, steps, hash } = runtime.run(
    schedulerOf(runtime, spec),
    masterSeed(chosen.seed),
    PROVED_SCHEDULE,
  );
  return violations.length === 0 ? undefined : tokenOf({ ...spec, steps, hash });
}

export async function proveCommand(
  args: readonly string[],
  version: string,
  done: (status: number) => void,
): Promise<CommandModule> {
  const scenario = args[0] === 'prove' ? await scenarioFromArgs(args, 'explore') : undefined;
  return {
    command: 'prove [scenario]',
    describe:
      'run every behaviour of a small machine, or every schedule with few preemptions, and say what that proves',
    builder: (argv) => {
      if (scenario !== undefined) withScenario(argv, scenario, 'explore');
      return argv
        .option('preemptions', {
          type: 'string',
          requiresArg: true,
          group: 'Run:',
          describe: 'all schedules with at most so many preemptions',
        })
        .option('dpor', {
          type: 'boolean',
          group: 'Run:',
          describe: 'one schedule of every class that orders dependent operations alike',
        })
        .option('schedules', {
          type: 'string',
          default: String(DEFAULT_SCHEDULES),
          requiresArg: true,
          group: 'Run:',
          describe: 'end after so many, proved or not',
        })
        .option('duration', {
          type: 'string',
          requiresArg: true,
          group: 'Run:',
          describe: 'end after this long, e.g. 10m',
        })
        .example('$0 prove tiny-split', 'every behaviour of a split against one access')
        .example('$0 prove tiny-split --variant link-before-fill', 'a bug that some of them show')
        .example('$0 prove --preemptions 1 --duration 1m', 'the default scenario, with one preemption');
    },
    handler: async (argv) => {
      const output = new Output(argv);
      const maxSchedules = parseCount(argv['schedules'], 'schedules', 1, 2 ** 31 - 1);
      const duration = textOption(argv, 'duration');
      const durationMs = duration === undefined ? undefined : parseDuration(duration, 'duration');
      const method = parseMethod(argv);
      const chosen = await choose(argv, scenario!, 'explore', () => DEFAULT_SEED);
      const interrupt = interruptible(() => output.progress.clear());
      const net = await canary();
      const { proof, runtime, violation } = await prove({
        ...chosen,
        custom: chosen.scenario.actors,
        // Everything at every release: a proof samples nothing.
        judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS, endRate: 1 }),
        method,
        maxSchedules,
        // With a dead net nothing is searched: it would prove nothing.
        interrupt: net.alive ? interrupt.signal : AbortSignal.abort(),
        timeout: durationMs === undefined ? undefined : AbortSignal.timeout(durationMs),
        onProgress: ({ schedules, elapsedMs, fraction, phase }) => {
          output.progress.update({
            label: `${phase} ${chosen.scenario.name}`,
            elapsedMs,
            fraction,
            remainingMs: fraction > 0 ? (elapsedMs / fraction) * (1 - fraction) : null,
            figures: [
              ['schedules', schedules],
              ['/s', Math.round((schedules / Math.max(1, elapsedMs)) * 1000)],
            ],
            violations: 0,
          });
        },
      });
      interrupt.dispose();
      const violations = violation === undefined ? [] : [violation];
      const token = proof.overrides === null ? undefined : tokenOfOverrides(chosen, proof.overrides);
      const outcome = makeOutcome({
        kind: 'prove',
        version,
        scenario: chosen.scenario,
        machine: chosen.machine,
        variants: chosen.variants,
        seed: chosen.seed,
        mode: 'controlled',
        threads: 1,
        traceHash: proof.hash,
        reproduce:
          token === undefined
            ? reproduceCommand('prove', chosen, [
                proof.bound === null ? '--dpor' : `--preemptions ${proof.bound}`,
                ...(maxSchedules === DEFAULT_SCHEDULES ? [] : [`--schedules ${maxSchedules}`]),
              ])
            : `npx splitstorm explain ${token}`,
        token,
        durationMs: proof.elapsedMs,
        exploration: {
          strategy: proof.method,
          schedules: proof.schedules,
          steps: proof.steps,
          truncated: proof.truncated,
        },
        proof,
        violations,
        checksRan: checkIds([...ALL_STATE_CHECKS, ...ALL_STEP_CHECKS]),
        inspections: proof.schedules,
        canary: net,
        statistics: controlledStatistics(
          runtime,
          proof.steps,
          violations.map(({ id }) => id),
        ),
        actors: runtime.cpus.map((cpu) => ({ name: cpu.name, class: cpu.cls, status: 'done' })),
        caveats: proof.reproduced
          ? []
          : ['the failing schedule gave another run the second time: determinism is broken'],
        failed: !proof.reproduced,
        inconclusive: !proof.complete || !commutes(proof),
        interrupted: interrupt.signal.aborted,
      });
      output.finish(outcome, renderProof);
      done(outcome.exitStatus);
    },
  };
}
