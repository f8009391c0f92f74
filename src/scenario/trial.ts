/**
 * A first load of a user's file on a thread of its own, with a time limit: a file that never ends must not take the
 * program with it.
 */
import { extname } from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Purpose } from './build.ts';
import { ScenarioError } from './validate.ts';

/** What the trial thread is asked to do. */
export interface TrialRequest {
  readonly kind: 'scenario' | 'variant';
  readonly path: string;
  readonly purpose: Purpose;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** `undefined` if all is well. */
export interface TrialReply {
  readonly error?: string;
}

/** How Node has to be started for source files; nothing for built ones. */
export function sourceExecArgv(): string[] {
  if (extname(fileURLToPath(import.meta.url)) !== '.ts') return [];
  return ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href];
}

/** URL of a file in workers/, as source or built. */
export function workerUrl(name: string): string {
  const extension = extname(fileURLToPath(import.meta.url));
  return new URL(`../../workers/${name}${extension}`, import.meta.url).href;
}

/**
 * Loads the file and builds its machine on a thread.
 * @throws ScenarioError if that fails or takes longer than `limitMs`
 */
export async function tryFile(request: TrialRequest, limitMs: number): Promise<void> {
  const worker = new Worker(new URL(workerUrl('trial')), { workerData: request, execArgv: sourceExecArgv() });
  let timer: NodeJS.Timeout | undefined;
  try {
    const reply = await new Promise<TrialReply>((resolve) => {
      timer = setTimeout(() => {
        resolve({ error: `${request.path} did not finish loading and building within ${limitMs / 1000} s` });
      }, limitMs);
      worker.once('message', resolve);
      worker.once('error', (error) => resolve({ error: `${request.path}: ${error instanceof Error ? error.message : String(error)}` }));
      worker.once('exit', (code) => resolve({ error: `${request.path} ended its thread with code ${code}` }));
    });
    if (reply.error !== undefined) throw new ScenarioError(reply.error);
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}
