/** The threads of the kernels without their creation, as small programs for the tests of the explorer. */
import type { Program } from '../../src/explore/program.ts';
import { account as accountKernel } from './account.ts';
import { MANY, SMALL } from './all.ts';
import { bluetooth as bluetoothKernel } from './bluetooth.ts';
import { deadlock01 as deadlockKernel } from './deadlock.ts';
import { reorder as reorderKernel } from './reorder.ts';
import { stack as stackKernel } from './stack.ts';
import { stringBuffer as stringBufferKernel } from './string-buffer.ts';
import { together } from './threads.ts';
import { twostage as twostageKernel } from './twostage.ts';
import { workStealingQueue as workStealingQueueKernel } from './work-stealing-queue.ts';
import { wronglock as wronglockKernel } from './wronglock.ts';

export const reorder = (threads: number): Program => together(reorderKernel(threads).program);
export const twostage = (threads: number): Program => together(twostageKernel(threads).program);
export const wronglock = (others: number): Program => together(wronglockKernel(others).program);
export const account: Program = together(accountKernel.program);
export const bluetooth: Program = together(bluetoothKernel.program);
export const deadlock01: Program = together(deadlockKernel.program);
export const stack: Program = together(stackKernel.program);
export const workStealingQueue: Program = together(workStealingQueueKernel.program);
export const stringBuffer: Program = together(stringBufferKernel.program);

/** The many-thread block and the others. */
export const MANY_THREADS: readonly Program[] = MANY.map(({ program }) => together(program));
export const FEW_THREADS: readonly Program[] = SMALL.map(({ program }) => together(program));
