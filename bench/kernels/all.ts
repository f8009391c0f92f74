/** The kernels of the scoreboard, in the blocks of explorer notes 3.5. */
import { account } from './account.ts';
import { bluetooth } from './bluetooth.ts';
import { deadlock01 } from './deadlock.ts';
import type { Kernel } from './kernel.ts';
import { reorder } from './reorder.ts';
import { split } from './split.ts';
import { stack } from './stack.ts';
import { stringBuffer } from './string-buffer.ts';
import { twostage } from './twostage.ts';
import { workStealingQueue } from './work-stealing-queue.ts';
import { wronglock } from './wronglock.ts';

/** Up to five actors. */
export const SMALL: readonly Kernel[] = [
  reorder(3),
  reorder(4),
  reorder(5),
  twostage(2),
  wronglock(3),
  account,
  bluetooth,
  deadlock01,
  stack,
  workStealingQueue,
  stringBuffer,
  split(4, 2),
];

/** The many-thread block: orders of few events among many actors, or many events of one. */
export const MANY: readonly Kernel[] = [reorder(10), reorder(20), twostage(20), split(8, 6), split(24, 6)];

/** A hundred actors. */
export const HUNDRED: readonly Kernel[] = [reorder(100), twostage(100)];

export const KERNELS: readonly Kernel[] = [...SMALL, ...MANY, ...HUNDRED];
