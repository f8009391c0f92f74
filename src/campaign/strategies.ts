/** Strategies by name, or a user's own by path. */
import { z } from 'zod';
import type { Cpu } from '../cpu/cpu.ts';
import {
  parseStrategy,
  StrategyError,
  withNumber,
  type ChosenStrategy,
} from '../explore/strategies/index.ts';
import type { Strategy } from '../explore/strategy.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import { importDefault, isPath } from '../scenario/load.ts';

const isFunction = z.custom<() => unknown>((value) => typeof value === 'function', 'must be a function');

const schema = z.looseObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'must be lower-case letters, digits and hyphens'),
  summary: z.string(),
  needsProfile: z.boolean(),
  make: isFunction,
  option: z
    .object({
      describe: z.string(),
      min: z.number(),
      max: z.number(),
      default: z.number(),
      integer: z.boolean(),
    })
    .refine(({ min, max, default: usual }) => min <= usual && usual <= max, 'default must lie in its range')
    .optional(),
});

/** True if the text names a file: `./mine.ts`, `./mine.ts:5`. */
export const isStrategyFile = (text: string): boolean => isPath(fileAndNumber(text).path);

function fileAndNumber(text: string): { readonly path: string; readonly number: string | undefined } {
  const match = /^(.*\.[cm]?[jt]s):([^:\\/]*)$/.exec(text);
  return match === null ? { path: text, number: undefined } : { path: match[1]!, number: match[2]! };
}

/**
 * A shipped strategy, or the default export of a file with one.
 * @throws StrategyError, or ScenarioError if the file cannot be loaded
 */
export async function loadStrategy(text: string): Promise<ChosenStrategy> {
  if (!isStrategyFile(text)) return parseStrategy(text);
  const { path, number } = fileAndNumber(text);
  const candidate = await importDefault(path, 'strategy');
  const result = schema.safeParse(candidate);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new StrategyError(
      `strategy: ${path} is not one: ${issue!.path.join('.') || 'its default export'}: ${issue!.message}`,
    );
  }
  const strategy = candidate as Strategy;
  if (strategy.arms !== undefined)
    throw new StrategyError(`strategy: ${path}: arms: a file cannot be a portfolio`);
  // Named by its file, so that what is printed can be given again.
  const named: Strategy = {
    ...strategy,
    name: path,
    make: (context) => new CheckedScheduler(strategy.make(context), path),
  };
  return withNumber(named, number);
}

/** Holds a user's scheduler to the interface: it may only pick actors that can go on. */
class CheckedScheduler implements Scheduler {
  private readonly inner: Scheduler;
  private readonly path: string;

  constructor(inner: Scheduler, path: string) {
    for (const method of ['begin', 'pick'] as const) {
      if (typeof (inner as Partial<Scheduler> | undefined)?.[method] !== 'function')
        throw new StrategyError(`strategy: ${path}: what make returns has no method ${method}`);
    }
    this.inner = inner;
    this.path = path;
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    this.inner.begin(actors, schedule);
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    const picked = this.inner.pick(enabled, count, current);
    for (let i = 0; i < count; i++) if (enabled[i] === picked) return picked;
    throw new StrategyError(
      `strategy: ${this.path}: pick returned ${String(picked)}, allowed is one of ${enabled.subarray(0, count).join(', ')}`,
    );
  }

  step(actor: number): void {
    this.inner.step?.(actor);
  }

  end(decisions: number, steps: number, failed: boolean): void {
    this.inner.end?.(decisions, steps, failed);
  }
}
