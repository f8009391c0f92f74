/**
 * A first load of a user's file on a thread of its own, with a time limit: a file that never ends must not take the
 * program with it.
 */
import { extname } from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Piscina } from 'piscina';
import type { Purpose } from './build.ts';
import { ScenarioError } from './validate.ts';

/** What the trial thread is asked to do. */
export interface TrialRequest {
  readonly kind: 'scenario' | 'variant' | 'experiment';
  readonly path: string;
  readonly purpose: Purpose;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** `undefined` if all is well. */
export interface TrialReply {
  readonly error?: string;
}

/** What a pool starts its threads with. */
export interface ThreadEntry {
  readonly filename: string;
  readonly argv: string[];
  readonly execArgv: string[];
}

/**
 * The entry point of this name in workers/, as source or built. From source, threads that have much to do load ES modules
 * (workers/from-source.js), in about 1.3 s of processor time; the others what piscina asks for first, CommonJS, which takes half of that but
 * runs at half the speed or less, as every use of an imported name is a call.
 */
export function threadEntry(name: string, work: 'much' | 'little'): ThreadEntry {
  const extension = extname(fileURLToPath(import.meta.url));
  const entry = new URL(`../../workers/${name}${extension}`, import.meta.url).href;
  if (extension !== '.ts') return { filename: entry, argv: [], execArgv: [] };
  if (work === 'little') {
    const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
    return { filename: entry, argv: [], execArgv: ['--import', tsx] };
  }
  const boot = new URL('../../workers/from-source.js', import.meta.url).href;
  return { filename: boot, argv: [entry], execArgv: [] };
}

/**
 * Loads the file and builds its machine on a thread.
 * @throws ScenarioError if that fails or takes longer than `limitMs`
 */
export async function tryFile(request: TrialRequest, limitMs: number): Promise<void> {
  const pool = new Piscina({
    ...threadEntry('trial', 'little'),
    minThreads: 1,
    maxThreads: 1,
  });
  try {
    const reply = (await pool.run(request, { signal: AbortSignal.timeout(limitMs) })) as TrialReply;
    if (reply.error !== undefined) throw new ScenarioError(reply.error);
  } catch (error) {
    if (error instanceof ScenarioError) throw error;
    const late = error instanceof Error && error.name === 'AbortError';
    throw new ScenarioError(
      late
        ? `${request.path} did not finish loading and building within ${limitMs / 1000} s`
        : `${request.path}: ${error instanceof Error ? error.message : String(error)}`,
    );
  } finally {
    await pool.destroy();
  }
}
