/**
 * The document of a run's outcome (design 7). The schema is the one definition: types are inferred from it and
 * schema/outcome.schema.json is generated from it. Strict everywhere, so a misspelt field is an error.
 */
import { z } from 'zod';
import { COUNTERS } from '../cpu/counters.ts';
import { ACTOR_CLASSES } from '../cpu/cpu.ts';
import { COUNTER_TEXT } from '../measure/counter-text.ts';
import { LOCK_ROWS } from '../measure/lock-stats.ts';
import { FLUSH_REASONS } from '../mmu/observer.ts';
import { proofSchema } from './proof-schema.ts';

export const SCHEMA_VERSION = 1;

const count = (what: string) => z.number().int().min(0).describe(what);
const amount = (what: string) => z.number().min(0).describe(what);
const text = (what: string) => z.string().describe(what);
/** An object with one count for each name. */
const counts = <K extends string>(names: readonly K[], what: (name: K) => string) =>
  z.strictObject(
    Object.fromEntries(names.map((name) => [name, count(what(name))])) as Record<K, ReturnType<typeof count>>,
  );

const actorClass = z.enum(ACTOR_CLASSES).meta({ id: 'ActorClass', description: 'A class of actors.' });

const counters = counts(COUNTERS, (name) => COUNTER_TEXT[name]).meta({
  id: 'Counters',
  description: 'Every counter by name.',
});

const histogram = z
  .strictObject({
    count: count('Values recorded.'),
    min: amount('The smallest value, exact; 0 if there is none.'),
    max: amount('The largest value, exact; 0 if there is none.'),
    total: amount('The sum of all values, exact.'),
    encoded: z
      .string()
      .nullable()
      .describe('HdrHistogram V2, compressed, base64, two significant digits; null if there is no value.'),
  })
  .meta({ id: 'Histogram', description: 'A histogram of times, in the unit of the statistics.' });

const lockFigures = z
  .strictObject({
    acquisitions: count('Times the lock was taken.'),
    contentions: count('Acquisitions that had to wait.'),
    bounces: z
      .number()
      .int()
      .min(0)
      .nullable()
      .describe(
        'Contentions in which another actor held the lock before (con-bounces); null if not recorded.',
      ),
    wait: histogram.describe('Waits of the contended acquisitions.'),
    hold: histogram.describe('Holds that have ended.'),
  })
  .meta({ id: 'LockFigures', description: 'What actors did with one lock.' });

const lock = z.strictObject({
  name: z.enum(LOCK_ROWS).describe('The lock; W and R are the writers and the readers of an rwlock.'),
  total: lockFigures.describe('All actors.'),
  byClass: z
    .array(
      z.strictObject({
        cls: actorClass.describe('The class.'),
        figures: lockFigures.describe('Its actors together.'),
      }),
    )
    .describe('Classes that took the lock.'),
  handOffs: z
    .array(
      z.strictObject({
        from: actorClass.describe('The class that held the lock before.'),
        to: actorClass.describe('The class that had waited for it.'),
        count: count('How often.'),
      }),
    )
    .describe('Who handed the lock to whom while it was contended.'),
});

const splits = z.strictObject({
  ok: count('Huge pages split.'),
  from1g: count('Of these at level 3 (1 GiB).'),
  from2m: count('Of these at level 2 (2 MiB).'),
  eagain: count('Attempts that dropped mmu_lock and started over.'),
  enospc: count('Attempts refused because the limit of shadow pages was near.'),
  enomem: count('Attempts that failed to fill the split caches.'),
  roundsWithoutSplit: count('Holds of mmu_lock given up before anything was split.'),
  restarts: count('Restarts at the head of an rmap list.'),
  topups: count('Refills of the split caches.'),
  newTables: count('Child tables created.'),
  reusedTables: count('Child tables found and reused.'),
  holds: count('Holds of mmu_lock that the split ended by dropping it for a topup.'),
  perHold: z.number().min(0).nullable().describe('Splits for each such hold; null if there was none.'),
  time: amount('Time the splits took, in the unit.'),
  timeOf: z.enum(['passes', 'run']).describe('Whether that is the time of split passes or of the whole run.'),
  perSecond: z.number().min(0).nullable().describe('Splits per second of that time; null in steps.'),
});

const yields = z.strictObject({
  topup: z
    .strictObject({
      total: count('All of them.'),
      contended: count('Because somebody waited for the lock.'),
      resched: count('Because of need_resched().'),
      cacheLow: count('Because a split cache was low.'),
    })
    .describe('Drops of mmu_lock by the split itself.'),
  walker: z
    .strictObject({
      total: count('All of them.'),
      contended: count('Because somebody waited for the lock.'),
      resched: count('Because of need_resched().'),
    })
    .describe('Drops of mmu_lock by the rmap walker between two heads.'),
});

const statistics = z.strictObject({
  unit: z.enum(['ns', 'steps']).describe('What times are counted in: nanoseconds, or visible operations.'),
  counters: z
    .strictObject({
      total: counters.describe('All actors.'),
      byClass: z
        .partialRecord(actorClass, counters)
        .describe('By class of actors; classes without an actor are absent.'),
    })
    .describe('Raw counters.'),
  splits: splits.describe('Eager splitting.'),
  yields: yields.describe('Drops of mmu_lock by reason.'),
  locks: z.array(lock).describe('Locks, in the terms of /proc/lock_stat.'),
  dropLatency: histogram.describe('From the first waiter to the drop of mmu_lock by its holder.'),
  flushes: z
    .strictObject({
      total: count('All of them.'),
      byReason: counts(FLUSH_REASONS, (reason) => `Because of ${reason}.`).describe('By reason.'),
      ipis: count('vCPUs that had to be kicked out of guest mode.'),
    })
    .describe('Remote TLB flushes.'),
  faults: z
    .strictObject({
      total: count('All of them.'),
      fixed: count('Installed an SPTE.'),
      spurious: count('Found everything in place.'),
      retried: count('Given up and retried.'),
      emulated: count('Ended in emulation.'),
      injected: count('Handed on to L1.'),
      nxSplits: count('Huge pages refused because of the iTLB multihit mitigation.'),
      prefetched: count('SPTEs installed by prefetch.'),
    })
    .describe('Page faults on the nested tables.'),
  migration: z
    .strictObject({
      completed: count('Migrations completed.'),
      rounds: count('Rounds of harvest and copy.'),
      pagesCopied: count('Pages copied.'),
      pagesCompared: count('Pages compared at the end.'),
      result: z
        .enum(['equal', 'different', 'unfinished', 'none'])
        .describe('Whether the destination equals the source; none if nothing was migrated.'),
    })
    .describe('The live migration.'),
  hugePages: z
    .array(
      z.strictObject({
        t: amount('Time since the start of the run, in the unit.'),
        pages4k: count('4 KiB SPTEs.'),
        pages2m: count('2 MiB SPTEs.'),
        pages1g: count('1 GiB SPTEs.'),
      }),
    )
    .describe('SPTEs by size over time.'),
});

const probability = (what: string) => z.number().min(0).max(1).describe(what);

const coverage = z.strictObject({
  behaviours: z
    .strictObject({
      distinct: count('Different behaviours: fingerprints of the order of dependent operations.'),
      once: count('Behaviours of a single schedule.'),
      exact: z.boolean().describe('False if both are estimates from a sample.'),
      nextIsNew: probability('Estimate by Good and Turing that the next schedule behaves in a new way.'),
    })
    .describe('Behaviours, whatever the order of independent operations.'),
  pairs: z
    .strictObject({
      seen: count('Pairs of operations of two actors, or classes, that followed one another on one word.'),
      bothOrders: count('Of these in both orders.'),
      byKind: z
        .array(
          z.strictObject({
            kind: text('A kind of word.'),
            seen: count('Pairs on such words.'),
            bothOrders: count('Of these in both orders.'),
          }),
        )
        .describe('By kind of word.'),
      oneOrder: z
        .array(
          z.strictObject({
            kind: text('A kind of word.'),
            earlier: text('Who did what first.'),
            later: text('Who did what right after it; never the other way round.'),
          }),
        )
        .describe('Pairs seen in one order only; at most 50.'),
    })
    .describe('Pairs of operations on one word, one of them a write.'),
});

const parameterValue = z.union([z.number(), z.boolean(), z.string()]);

export const outcomeSchema = z
  .strictObject({
    schemaVersion: z
      .literal(SCHEMA_VERSION)
      .describe('Version of this format; a change that breaks readers raises it.'),
    tool: z
      .strictObject({
        name: z.literal('splitstorm').describe('Always splitstorm.'),
        version: text('Its version.'),
      })
      .describe('What wrote the document.'),
    kind: z.enum(['run', 'explore', 'replay', 'prove']).describe('What was done.'),
    verdict: z.enum(['clean', 'violation', 'inconclusive', 'error']).describe('What came out.'),
    exitStatus: z
      .number()
      .int()
      .min(0)
      .max(255)
      .describe('0 clean, 1 violation, 2 usage, 3 inconclusive or harness failure, 130 interrupted.'),
    scenario: text('Name of the scenario.'),
    parameters: z
      .record(z.string(), parameterValue)
      .describe('Every parameter with its value; sizes in bytes.'),
    changed: z
      .array(
        z.strictObject({
          name: text('The parameter.'),
          value: text('Its value as it is given on the command line.'),
          default: text('The default, likewise.'),
        }),
      )
      .describe("Parameters that differ from the scenario's defaults."),
    variant: text('Name of the engine variant.'),
    seed: text('The seed as it was given.'),
    generator: text('Name of the random generator.'),
    runtime: z
      .strictObject({
        mode: z.enum(['parallel', 'controlled', 'virtual-time']).describe('What drove the actors.'),
        node: text('Version of Node.'),
        platform: text('Operating system and processor type.'),
        cores: z.number().int().min(1).describe('Cores that could be used.'),
        threads: z
          .number()
          .int()
          .min(1)
          .describe('Threads that ran actors; 1 where a scheduler drives them.'),
      })
      .describe('Where and how it ran.'),
    traceHash: z
      .string()
      .nullable()
      .describe('Hash of all visible operations; null in the parallel runtime.'),
    token: z.string().nullable().describe('Reproduces the failure exactly; null if there is none.'),
    reproduce: z
      .strictObject({ command: text('A command line.') })
      .describe('Runs the same again; exact in the controlled runtime, same load in the parallel one.'),
    startedAt: z.iso
      .datetime()
      .optional()
      .describe('Start, UTC; absent where the run is a function of its seed.'),
    durationMs: amount('Wall-clock time it took.'),
    exploration: z
      .strictObject({
        strategy: text('How schedules were chosen.'),
        schedules: count('Schedules run.'),
        steps: count('Visible operations in all of them.'),
        truncated: count('Schedules cut off at the step limit.'),
        workers: z.number().int().min(1).optional().describe('Threads that searched.'),
        failing: count('Schedules that failed.').optional(),
        ended: z
          .enum(['schedules', 'failures', 'covered', 'error', 'stopped'])
          .optional()
          .describe('Why it ended: all were run, enough failed, coverage, the harness, time or the user.'),
        dealt: z
          .array(
            z.strictObject({
              strategy: text('A strategy of the portfolio.'),
              schedules: count('Schedules it made, without the profile runs.'),
            }),
          )
          .optional()
          .describe('Of a portfolio: who made the schedules.'),
        coverage: coverage.optional().describe('What the schedules covered.'),
      })
      .optional()
      .describe('Only if schedules were explored.'),
    proof: proofSchema.optional().describe('Only of prove: what was shown.'),
    violations: z
      .array(
        z.strictObject({
          id: text('The check, or deadlock, livelock, BUG or crash.'),
          sentence: text('The rule that was broken; empty if the id has none.'),
          text: text('What was found.'),
          words: z.array(z.number().int()).describe('Words of the arena involved.'),
          actor: z.number().int().min(-1).describe('Actor that was running, -1 if none.'),
          actorName: text('Its name.'),
          step: z
            .number()
            .int()
            .min(-1)
            .describe('Visible operations done before; -1 where they are not counted.'),
        }),
      )
      .describe('Broken rules.'),
    checks: z
      .strictObject({
        ran: z.array(z.string()).describe('Ids of the checks that ran.'),
        stops: count('Times the state was inspected: stops of the world, or quiescent points of a schedule.'),
      })
      .describe('What was checked.'),
    canary: z
      .strictObject({
        alive: z.boolean().describe('All of it went wrong as it must; if not, nothing was searched.'),
        proved: z.array(z.string()).describe('What did.'),
        dead: z.array(z.string()).describe('What did not.'),
      })
      .optional()
      .describe('Of explore and prove: what was made to go wrong before, to prove that the net is alive.'),
    statistics: statistics.describe('What was measured.'),
    actors: z
      .array(
        z.strictObject({
          name: text('Its name.'),
          class: actorClass.describe('Its class.'),
          status: z.enum(['done', 'failed', 'aborted', 'hung']).describe('How it ended.'),
          error: z.string().optional().describe('Why it failed.'),
        }),
      )
      .describe('All actors, by index.'),
    caveats: z.array(z.string()).describe('Reasons not to take figures at face value.'),
  })
  .describe('Outcome of a splitstorm run.');

type DeepReadonly<T> = T extends readonly (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** What a run, an exploration or a replay hands back. */
export type Outcome = DeepReadonly<z.infer<typeof outcomeSchema>>;
export type OutcomeViolation = Outcome['violations'][number];
export type OutcomeActor = Outcome['actors'][number];
export type ChangedParameter = Outcome['changed'][number];
