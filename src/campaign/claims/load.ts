/** An experiment by its id, or from a user's file. */
import { z } from 'zod';
import { closest, importDefault } from '../../scenario/load.ts';
import { ScenarioError } from '../../scenario/validate.ts';
import { VERDICTS } from '../../report/claim-record.ts';
import type { Experiment } from './define.ts';
import { EXPERIMENTS } from './experiments/index.ts';

const aFunction = z.custom<() => unknown>((v) => typeof v === 'function', 'must be a function');

const schema = z.looseObject({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]*$/, 'must be letters, digits, - and .'),
  claim: z.string().min(1),
  facts: z.array(z.string()).optional(),
  control: z
    .object({
      variant: z.union([z.string(), z.looseObject({ name: z.string(), apply: aFunction })]).optional(),
      parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
      verdict: z.enum(VERDICTS).optional(),
      figure: z.string().optional(),
    })
    .refine(
      (control) => control.variant !== undefined || control.parameters !== undefined,
      'must change something: a variant or parameters',
    ),
  run: aFunction,
});

/** @throws ScenarioError if the file is no experiment */
export async function loadExperiment(path: string): Promise<Experiment> {
  const candidate = await importDefault(path, 'experiment');
  const result = schema.safeParse(candidate);
  if (result.success) return candidate as Experiment;
  const lines = result.error.issues.map(
    (issue) => `  ${issue.path.join('.') || '(the whole)'}: ${issue.message}`,
  );
  throw new ScenarioError(`the experiment in ${path} is not valid:\n${lines.join('\n')}`);
}

/** The shipped experiment with this id, in any case. @throws ScenarioError if there is none */
export function findExperiment(id: string): Experiment {
  const found = EXPERIMENTS.find((experiment) => experiment.id.toLowerCase() === id.toLowerCase());
  if (found !== undefined) return found;
  const ids = EXPERIMENTS.map((experiment) => experiment.id);
  const close = closest(id, ids);
  throw new ScenarioError(
    `there is no claim ${id}${close === undefined ? '' : `; did you mean ${close}?`} (see splitstorm claims --list)`,
  );
}
