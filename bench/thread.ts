/**
 * Subjects on threads of their own: each has its own compiler state, as actors of the parallel runtime have, so that
 * one subject's types do not slow another one down. The main thread boots the machine, the thread attaches to it.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Layout } from '../src/arena/layout.ts';
import type { Machine } from '../src/scenario/build.ts';
import type { Sample, Subject } from './subject.ts';

/** What a thread is to run. */
export type ThreadTask =
  | {
      readonly kind: 'split';
      /** `handler` calls the split handler head by head, `pass` runs whole passes with lock and walker. */
      readonly unit: 'handler' | 'pass';
      readonly cpu: 'atomic' | 'plain';
      /** Restore the machine after each batch; without, only one batch can run. */
      readonly restore: boolean;
      /** URL of the source tree, so that a transformed copy can be run. */
      readonly root: string;
      /** True if the tree's actors are plain functions. */
      readonly stripped: boolean;
      readonly machine: Machine;
      readonly layout: Layout;
      readonly buffer: SharedArrayBuffer;
    }
  | { readonly kind: 'controlled'; readonly root: string; readonly machine: Machine; readonly layout: Layout }
  | { readonly kind: 'reset'; readonly root: string; readonly machine: Machine; readonly layout: Layout }
  | {
      readonly kind: 'search';
      readonly machine: Machine;
      readonly layout: Layout;
      readonly strategy: string;
      readonly coverage: boolean;
    }
  | { readonly kind: 'toy'; readonly strategy: string }
  | { readonly kind: 'lock'; readonly root: string; readonly what: LockKind };

export type LockKind = 'qrwlock-write' | 'qrwlock-read' | 'mutex' | 'cas-pair';

/** Starts a thread for the task. */
export function startThread(name: string, task: ThreadTask): Subject {
  const worker = new Worker(new URL('./thread-boot.js', import.meta.url), { workerData: task });
  const failed = once(worker, 'error').then(([error]: unknown[]) => {
    throw error;
  });
  failed.catch(() => {});
  return {
    name,
    async run(batches) {
      worker.postMessage(batches);
      const [sample] = (await Promise.race([once(worker, 'message'), failed])) as [Sample];
      return sample;
    },
    async close() {
      await worker.terminate();
    },
  };
}
