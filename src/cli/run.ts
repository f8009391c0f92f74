/** `splitstorm run`: the parallel stress run. */
import type { CommandModule } from 'yargs';
import { ALL_STATE_CHECKS, PARALLEL_STEP_CHECKS } from '../check/all.ts';
import { checkIds, makeOutcome } from '../campaign/outcome.ts';
import { stress } from '../campaign/stress.ts';
import { parseCount, parseDuration } from './duration.ts';
import { drawSeed, interruptible, Output } from './output.ts';
import { choose, reproduceCommand, scenarioFromArgs, withScenario } from './scenario-options.ts';
import { textOption, UsageError } from './usage.ts';

/** Each actor needs a thread of its own. */
const MAX_THREADS = 128;

export async function runCommand(
  args: readonly string[],
  version: string,
  done: (status: number) => void,
): Promise<CommandModule> {
  const active = args[0] === 'run';
  const scenario = active ? await scenarioFromArgs(args, 'run') : undefined;
  return {
    command: 'run [scenario]',
    describe: 'stress a scenario: every actor on its own worker thread, at full speed',
    builder: (argv) => {
      if (scenario !== undefined) withScenario(argv, scenario, 'run');
      return argv
        .option('duration', {
          type: 'string',
          default: '45s',
          requiresArg: true,
          group: 'Run:',
          describe: 'stop after this long; the repetition in work is ended in an orderly way',
        })
        .option('repetitions', {
          type: 'string',
          default: '3',
          requiresArg: true,
          group: 'Run:',
          describe: 'migrations of a freshly booted machine; 0: as many as the time allows',
        })
        .option('check-every', {
          type: 'string',
          default: '1s',
          requiresArg: true,
          group: 'Run:',
          describe: 'stop the world this often to run the state checks; 0s: only at the end',
        })
        .option('record-conformance', { type: 'string', requiresArg: true, hidden: true })
        .option('hang-limit', {
          type: 'string',
          default: '20s',
          requiresArg: true,
          group: 'Run:',
          describe: 'without progress for this long the run counts as hung',
        })
        .example('$0 run', 'the default scenario')
        .example('$0 run --vcpus 8 --memory 16G --backing 1g --write-fraction 0.5', 'a larger guest')
        .example('$0 run enospc --variant p2 --duration 1m --json out.json', 'another scenario and profile')
        .example('$0 run ./mine.ts --variant ./my-idea.ts', 'your own scenario and engine');
    },
    handler: async (argv) => {
      if (textOption(argv, 'record-conformance') !== undefined)
        throw new UsageError(
          '--record-conformance: the threads of a parallel run have no order in which their events could be written; explore has the option',
        );
      const output = new Output(argv);
      const durationMs = parseDuration(String(argv['duration']), 'duration');
      const stopEveryMs = parseDuration(String(argv['check-every']), 'check-every');
      const hangMs = parseDuration(String(argv['hang-limit']), 'hang-limit');
      const repetitions = parseCount(argv['repetitions'], 'repetitions', 0, 1e9);
      const chosen = await choose(argv, scenario!, 'run', drawSeed);
      const { machine } = chosen;
      if (machine.actors.length > MAX_THREADS) {
        throw Object.assign(
          new Error(
            `${machine.actors.length} actors need as many threads; at most ${MAX_THREADS} are started`,
          ),
          {
            name: 'UsageError',
          },
        );
      }
      const startedAt = new Date();
      const interrupt = interruptible(() => output.progress.clear());
      const result = await stress({
        ...chosen,
        repetitions,
        durationMs,
        stopEveryMs,
        hangMs,
        signal: interrupt.signal,
        onProgress: ({ elapsedMs, repetition, hugePagesLeft, violations }) => {
          const byWork = repetitions === 0 ? 0 : repetition / repetitions;
          const byTime = Math.min(1, elapsedMs / durationMs);
          const left = byWork > 0 ? (elapsedMs / byWork) * (1 - byWork) : durationMs - elapsedMs;
          output.progress.update({
            label: `run ${chosen.scenario.name}`,
            elapsedMs,
            fraction: Math.max(byWork, byTime),
            remainingMs:
              repetitions > 0 && byWork === 0 ? null : Math.max(0, Math.min(left, durationMs - elapsedMs)),
            violations,
            figures: [
              ['repetition', repetition + 1],
              ['huge pages left', hugePagesLeft],
            ],
          });
        },
      });
      interrupt.dispose();
      for (const error of result.errors) process.stderr.write(`splitstorm: ${error}\n`);
      const caveats = [...result.caveats];
      if (result.completed < result.repetitions) {
        caveats.push(
          `${result.repetitions - result.completed} of ${result.repetitions} repetitions were cut short; their migration was not compared`,
        );
      }
      const outcome = makeOutcome({
        kind: 'run',
        version,
        scenario: chosen.scenario,
        machine,
        variants: chosen.variants,
        seed: chosen.seed,
        mode: 'parallel',
        threads: machine.actors.length,
        traceHash: null,
        reproduce: reproduceCommand('run', chosen, [
          `--repetitions ${repetitions}`,
          `--duration ${String(argv['duration'])}`,
        ]),
        startedAt,
        durationMs: result.durationMs,
        violations: result.violations,
        checksRan: checkIds([...ALL_STATE_CHECKS, ...PARALLEL_STEP_CHECKS]),
        inspections: result.stops,
        statistics: result.statistics,
        actors: result.actors,
        caveats,
        failed: result.errors.length > 0,
        inconclusive: result.completed === 0 && !result.interrupted,
        interrupted: result.interrupted,
      });
      output.finish(outcome);
      done(outcome.exitStatus);
    },
  };
}
