/**
 * Loading modules by name or path: shipped scenarios from their folder, a user's own file by path (stack.md 2).
 * TypeScript files go through tsx, which gives them their own copies of modules: what they export is plain data and
 * functions.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, extname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Machine } from './build.ts';
import type { Scenario } from './define.ts';
import { ScenarioError, validateScenario } from './validate.ts';

const EXTENSION = extname(fileURLToPath(import.meta.url));
const SHIPPED = fileURLToPath(new URL('../../scenarios/', import.meta.url));

/** True if the user gave a path and not the name of something shipped. */
export const isPath = (name: string): boolean => /[\\/]|\.[cm]?[jt]s$/.test(name);

/**
 * The default export of a module.
 * @throws ScenarioError if the file is missing, does not compile, throws while loading or exports nothing
 */
export async function importDefault(path: string, what: string): Promise<unknown> {
  const file = resolve(path);
  if (!existsSync(file)) throw new ScenarioError(`${what}: there is no file ${path}`);
  let module: { readonly default?: unknown };
  try {
    const url = pathToFileURL(file).href;
    if (/^\.[cm]?tsx?$/.test(extname(file))) {
      const { tsImport } = await import('tsx/esm/api');
      module = (await tsImport(url, import.meta.url)) as typeof module;
    } else module = (await import(url)) as typeof module;
  } catch (error) {
    throw new ScenarioError(`${what}: ${path} cannot be loaded: ${firstLines(error)}`);
  }
  // Outside a package of type "module" tsx compiles to CommonJS, and the exports arrive as one default object.
  const wrapped = module.default as { readonly default?: unknown } | undefined;
  const exported =
    typeof wrapped === 'object' && wrapped !== null && 'default' in wrapped ? wrapped.default : wrapped;
  if (exported === undefined) throw new ScenarioError(`${what}: ${path} has no default export`);
  return exported;
}

function firstLines(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(0, 6)
    .join('\n  ');
}

/** Names of the shipped scenarios, sorted. */
export function shippedScenarios(): string[] {
  return readdirSync(SHIPPED)
    .filter((file) => file.endsWith(EXTENSION) && !file.endsWith('.d.ts'))
    .map((file) => basename(file, EXTENSION))
    .sort();
}

/** The file of a shipped scenario. */
export const shippedFile = (name: string): string => resolve(SHIPPED, `${name}${EXTENSION}`);

/**
 * Loads a scenario by name or path.
 * @throws ScenarioError
 */
export async function loadScenario(nameOrPath: string): Promise<Scenario> {
  if (isPath(nameOrPath)) return validateScenario(await importDefault(nameOrPath, 'scenario'), nameOrPath);
  const names = shippedScenarios();
  if (!names.includes(nameOrPath)) {
    const close = closest(nameOrPath, names);
    throw new ScenarioError(
      `there is no scenario ${nameOrPath}${close === undefined ? '' : `; did you mean ${close}?`}\n` +
        `shipped: ${names.join(', ')}; or give the path of a file`,
    );
  }
  return validateScenario(await importShipped(shippedFile(nameOrPath)), nameOrPath);
}

/** The actors that a machine's scenario brings along, shipped or a user's file; a thread has to load them again. */
export async function ownActors(
  machine: Machine,
  scenarioFile: string | undefined,
): Promise<Scenario['actors']> {
  if (!machine.actors.some(({ kind }) => kind === 'custom')) return undefined;
  return (await loadScenario(scenarioFile ?? machine.scenario)).actors;
}

async function importShipped(file: string): Promise<unknown> {
  try {
    return ((await import(pathToFileURL(file).href)) as { readonly default: unknown }).default;
  } catch (error) {
    // Threads that run from sources have tsx for what they require, and not for what they import.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_UNKNOWN_FILE_EXTENSION') throw error;
    return importDefault(file, 'scenario');
  }
}

/** The most similar name, if one is similar enough to suggest. */
export function closest(given: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(given, name);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
