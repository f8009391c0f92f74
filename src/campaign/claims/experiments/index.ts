/** The shipped experiments, in the order of kernel-facts 9, and what else was asked. */
import type { Experiment } from '../define.ts';
import a24 from './a-24.ts';
import c01 from './c-01.ts';
import c02 from './c-02.ts';
import c03 from './c-03.ts';
import c04 from './c-04.ts';
import c05 from './c-05.ts';
import c06 from './c-06.ts';
import c07 from './c-07.ts';
import c08 from './c-08.ts';
import c09 from './c-09.ts';
import c10 from './c-10.ts';
import c11 from './c-11.ts';
import c12 from './c-12.ts';
import c13 from './c-13.ts';
import c14 from './c-14.ts';
import c15 from './c-15.ts';
import ha from './h-a.ts';
import hb from './h-b.ts';
import hc from './h-c.ts';
import hd from './h-d.ts';
import he from './h-e.ts';
import hf from './h-f.ts';
import hg from './h-g.ts';
import hh from './h-h.ts';
import hi from './h-i.ts';
import hj from './h-j.ts';
import hk from './h-k.ts';
import f1 from './f-1.ts';
import f2 from './f-2.ts';
import f3 from './f-3.ts';
import f4 from './f-4.ts';
import f5 from './f-5.ts';
import f6 from './f-6.ts';
import f7 from './f-7.ts';
import f8 from './f-8.ts';
import f9 from './f-9.ts';

export const EXPERIMENTS: readonly Experiment[] = [
  c01,
  c02,
  c03,
  c04,
  c05,
  c06,
  c07,
  c08,
  c09,
  c10,
  c11,
  c12,
  c13,
  c14,
  c15,
  ha,
  hb,
  hc,
  hd,
  he,
  hf,
  hg,
  hh,
  hi,
  hj,
  hk,
  f1,
  f2,
  f3,
  f4,
  f5,
  f6,
  f7,
  f8,
  f9,
  a24,
];
