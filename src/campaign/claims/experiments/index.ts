/** The shipped experiments, in the order of kernel-facts 9. */
import type { Experiment } from '../define.ts';
import c03 from './c-03.ts';
import c11 from './c-11.ts';
import f1 from './f-1.ts';

export const EXPERIMENTS: readonly Experiment[] = [c03, c11, f1];
