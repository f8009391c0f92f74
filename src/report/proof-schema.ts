/** The part of an outcome that says what `prove` has shown. */
import { z } from 'zod';

const count = (what: string) => z.number().int().min(0).describe(what);
const text = (what: string) => z.string().describe(what);

export const proofSchema = z.strictObject({
  scenario: text('Name of the scenario.'),
  variant: text('Name of the engine variant.'),
  seed: text('Seed whose draws, those of its schedule 0, the proof is about.'),
  machine: text('Hash of the machine: configuration, actors, populated pages, sizes, variants.'),
  actors: z.array(z.string()).describe('Names of the actors.'),
  method: z
    .enum(['dpor', 'preemptions'])
    .describe('One schedule of each class, or all schedules with few preemptions.'),
  why: text('Why this method; empty if it was asked for or is the first choice.'),
  bound: z.number().int().nullable().describe('Preemptions that were aimed at; null with dpor.'),
  exhausted: z
    .number()
    .int()
    .min(-1)
    .nullable()
    .describe(
      'All schedules with at most so many preemptions were run; -1 if not even those without; null with dpor.',
    ),
  ofNext: z
    .number()
    .nullable()
    .describe(
      'Part of the known schedules with one preemption more that were run; null if complete or with dpor.',
    ),
  complete: z.boolean().describe('Everything aimed at was run to its end.'),
  stopped: z
    .enum(['complete', 'schedules', 'duration', 'interrupted', 'memory', 'violation'])
    .describe('What ended the search.'),
  schedules: count('Schedules run to their end.'),
  redundant: count('Runs given up because they had been seen before.'),
  truncated: count('Schedules cut off at the step limit.'),
  unfair: count('Schedules that starved somebody for too long, so that everybody got turns for a while.'),
  steps: count('Visible operations of all of them.'),
  longest: count('Visible operations of the longest.'),
  hash: text('Sum of the hashes of all runs: the same for whoever proves the same.'),
  estimate: z
    .strictObject({
      runs: z.number().min(0).describe('Runs expected before the search.'),
      error: z.number().min(0).describe('Its standard error.'),
      probes: count('Probes it was made from.'),
    })
    .nullable()
    .describe('Size of the search as estimated before it.'),
  reordered: z
    .strictObject({
      runs: count('Runs made again with independent operations in another order.'),
      differences: z.array(z.string()).describe('What some of them differed in.'),
      watched: count(
        'Runs in which every access that is no operation was looked at, those of the search included.',
      ),
      races: z
        .array(z.string())
        .describe(
          'Words that two actors touched, one of them changing it, with no operation to order the two.',
        ),
    })
    .describe('Whether independent operations commute in this machine, as dpor takes for granted.'),
  overrides: z
    .array(
      z.strictObject({
        actor: z.number().int().min(-1).describe('Actor that moved last; -1 at the start.'),
        op: count('Steps it had made.'),
        next: count('Actor that goes on.'),
      }),
    )
    .nullable()
    .describe('A failing schedule: where it leaves the base that never preempts; null if none was found.'),
  reproduced: z.boolean().describe('The failing schedule gave the same run and violation again.'),
  elapsedMs: z.number().min(0).describe('Time of all of it.'),
  searchMs: z.number().min(0).describe('Time of the search alone.'),
});
