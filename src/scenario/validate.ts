/** Refuses a scenario that is not one, with the path of the field (design 7). */
import { z } from 'zod';
import { CAST_KINDS } from '../actors/context.ts';
import type { MachineSpec, Scenario } from './define.ts';

/** A scenario module or what it describes is not valid. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError';
}

const gfn = z
  .int()
  .min(0)
  .max(2 ** 28);
const value = z.union([z.number(), z.boolean(), z.string()]);
const parameter = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('integer'),
    describe: z.string(),
    min: z.number(),
    max: z.number(),
    default: z.number(),
  }),
  z.strictObject({
    type: z.literal('number'),
    describe: z.string(),
    min: z.number(),
    max: z.number(),
    default: z.number(),
  }),
  z.strictObject({
    type: z.literal('size'),
    describe: z.string(),
    min: z.number(),
    max: z.number(),
    default: z.number(),
  }),
  z.strictObject({ type: z.literal('boolean'), describe: z.string(), default: z.boolean() }),
  z.strictObject({
    type: z.literal('choice'),
    describe: z.string(),
    choices: z.array(z.string()).min(1),
    default: z.string(),
  }),
]);
const aFunction = z.custom<(...args: never[]) => unknown>(
  (v) => typeof v === 'function',
  'must be a function',
);

const scenarioSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'must be lower-case letters, digits and hyphens'),
  summary: z.string().min(1),
  about: z.string(),
  facts: z.array(z.string()),
  defaults: z.record(z.string(), value).optional(),
  explore: z.record(z.string(), value).optional(),
  parameters: z.record(z.string().regex(/^[a-z][A-Za-z0-9]*$/), parameter).optional(),
  machine: aFunction,
  actors: z.record(z.string(), aFunction).optional(),
});

const mapping = z.strictObject({
  l2Gfn: gfn,
  l1Gfn: gfn,
  level: z.union([z.literal(1), z.literal(2), z.literal(3)]),
  count: z
    .int()
    .min(1)
    .max(2 ** 24),
  l1Step: z
    .int()
    .min(0)
    .max(2 ** 28)
    .optional(),
  perm: z.enum(['rwx', 'rw', 'rx', 'r']).optional(),
  accessed: z.boolean().optional(),
  dirty: z.boolean().optional(),
});

const machineSchema = z.strictObject({
  roots: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        mappings: z.array(mapping).min(1),
        level: z.union([z.literal(3), z.literal(4), z.literal(5)]).optional(),
        within: z.strictObject({ root: z.int().min(0).max(3), l2Gfn: gfn }).optional(),
        smep: z.boolean().optional(),
        guestMode: z.boolean().optional(),
      }),
    )
    .min(1)
    .max(4),
  populate: z.union([
    z.literal('all'),
    z.array(
      z.union([
        z.strictObject({ logCycle: z.int().min(1) }),
        z.strictObject({
          root: z.int().min(0).max(3).optional(),
          vcpu: z.int().min(0).optional(),
          access: z.enum(['read', 'write', 'exec']),
          l2Gfn: gfn,
          count: z.int().min(1).optional(),
          stride: z.int().min(1).optional(),
          enters: z.boolean().optional(),
        }),
      ]),
    ),
  ]),
  tables: z.enum(['own-slot', 'migrated-slot']).optional(),
  migration: z.boolean().optional(),
  guests: z.boolean().optional(),
  cast: z
    .array(
      z.strictObject({
        kind: z.enum(CAST_KINDS),
        slots: z.array(z.int().min(0)).min(1).optional(),
        rounds: z.int().min(0).optional(),
        weights: z.record(z.string(), z.number().min(0)).optional(),
      }),
    )
    .optional(),
  extraSlots: z
    .array(
      z.strictObject({
        pages: z.int().min(1),
        baseGfn: gfn.optional(),
        readonly: z.boolean().optional(),
        gone: z.boolean().optional(),
        sharesMemoryOf: z.int().min(1).optional(),
      }),
    )
    .optional(),
  spareTables: z.int().min(0).max(4096).optional(),
  actors: z
    .array(z.strictObject({ name: z.string(), options: z.record(z.string(), z.unknown()).optional() }))
    .optional(),
});

function complain(what: string, error: z.ZodError): never {
  const lines = error.issues.map((issue) => `  ${issue.path.join('.') || '(the whole)'}: ${issue.message}`);
  throw new ScenarioError(`${what} is not valid:\n${lines.join('\n')}`);
}

/** @throws ScenarioError naming the fields */
export function validateScenario(candidate: unknown, where: string): Scenario {
  const result = scenarioSchema.safeParse(candidate);
  if (!result.success) complain(`the scenario in ${where}`, result.error);
  return candidate as Scenario;
}

/** @throws ScenarioError naming the fields */
export function validateMachine(candidate: unknown, scenario: string): MachineSpec {
  const result = machineSchema.safeParse(candidate);
  if (!result.success) complain(`the machine of scenario ${scenario}`, result.error);
  return candidate as MachineSpec;
}
