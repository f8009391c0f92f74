/** Variants by name or path, several joined with `+`. */
import { z } from 'zod';
import type { Engine } from '../mmu/engine.ts';
import { closest, importDefault, isPath } from '../scenario/load.ts';
import { ScenarioError } from '../scenario/validate.ts';
import type { Variant } from '../variants/define.ts';
import { engineOf, findVariant, VARIANTS } from '../variants/index.ts';

const schema = z.looseObject({
  name: z.string().min(1),
  summary: z.string(),
  kind: z.enum(['profile', 'bug', 'idea']),
  apply: z.custom<() => unknown>((v) => typeof v === 'function', 'must be a function'),
});

/** Splits `p2+busted-lock` and checks the names; paths are left as they are. */
export function splitVariants(text: string): string[] {
  const parts = text
    .split('+')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  for (const part of parts) {
    if (isPath(part) || findVariant(part) !== undefined) continue;
    const names = VARIANTS.map((variant) => variant.name);
    const close = closest(part, names);
    throw new ScenarioError(
      `there is no variant ${part}${close === undefined ? '' : `; did you mean ${close}?`}\n` +
        `shipped: ${names.join(', ')}; or give the path of a file`,
    );
  }
  return parts.length === 0 ? ['p1'] : parts;
}

/** @throws ScenarioError if a file is not a variant */
export async function loadVariant(nameOrPath: string): Promise<Variant> {
  const shipped = findVariant(nameOrPath);
  if (shipped !== undefined) return shipped;
  const candidate = await importDefault(nameOrPath, 'variant');
  const result = schema.safeParse(candidate);
  if (!result.success) {
    const lines = result.error.issues.map(
      (issue) => `  ${issue.path.join('.') || '(the whole)'}: ${issue.message}`,
    );
    throw new ScenarioError(`the variant in ${nameOrPath} is not valid:\n${lines.join('\n')}`);
  }
  return { facts: [], caughtBy: [], ...(candidate as object) } as unknown as Variant;
}

export async function loadEngine(names: readonly string[]): Promise<Engine> {
  const variants: Variant[] = [];
  for (const name of names) variants.push(await loadVariant(name));
  return engineOf(variants);
}
