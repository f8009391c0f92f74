/** What is measured and against what (design 2.1; the targets are those of the first milestone). */
import { freemem } from 'node:os';
import { startC } from './c-split.ts';
import { bootShared, hugeMachine, smallMachine, type BenchMachine } from './machines.ts';
import { shrink } from './shrink.ts';
import { writeStrippedTree } from './strip.ts';
import {
  interleave,
  median,
  range,
  ratios,
  type InterleaveOptions,
  type Series,
  type Subject,
} from './subject.ts';
import { startThread, type LockKind, type ThreadTask } from './thread.ts';
import { SCHEDULES_PER_BATCH } from './tasks/schedules.ts';
import { twoWorkers } from './two-workers.ts';

export interface BenchContext {
  readonly quick: boolean;
  /** The compiled C program, if there is a compiler. */
  readonly c: string | undefined;
}

/** A row of the table. */
export interface Row {
  readonly what: string;
  readonly value: string;
  readonly target?: string;
  /** Absent where nothing is promised. */
  readonly met?: boolean;
}

const SOURCE = new URL('../src/', import.meta.url).href;
/** Targets: ratios at most, rates at least. */
const MAX_SPLIT_RATIO = 3;
const MAX_STEPPING_RATIO = 1.2;
const MIN_SPLITS_PER_SECOND = 100_000;
const MIN_OPERATIONS_PER_SECOND = 5e6;
const MIN_SCHEDULES_PER_SECOND = 50_000;
const MAX_RESET_SHARE = 0.1;
/** Time of an operation under a weighted strategy, over that of a random walk. */
const MAX_STRATEGY_RATIO = 2;
/** The toy on relacy took 15.9 us for a schedule of 233 operations, on shuttle 40 us, on the machine of README's table. */
const TOY_OPERATIONS = 233;
const RELACY_TOY_NS = 15_900;
/** 2 MiB pages of the cached working set: tables and rmap heads of 8 of them take 48 KiB. */
const HOT_MEMORY = '16M';
const WARM_MEMORY = '64M';

const plan = (quick: boolean): InterleaveOptions & { starts: number } =>
  quick
    ? { starts: 2, rounds: 3, roundMs: 30, warmMs: 400 }
    : { starts: 7, rounds: 5, roundMs: 50, warmMs: 600 };

const ns = (value: number): string =>
  value >= 10_000 ? `${(value / 1000).toFixed(1)} us` : `${value.toFixed(0)} ns`;
const times = (value: number): string => `${value.toFixed(2)}x`;
const count = (value: number): string => Math.round(value).toLocaleString('en-US');
const perSecond = (series: Series): Series => series.map((value) => 1e9 / value);

function ratioRow(what: string, a: Series, b: Series, max?: number): Row {
  const values = ratios(a, b);
  const row = { what, value: range(values, times) };
  return max === undefined ? row : { ...row, target: `<= ${times(max)}`, met: median(values) <= max };
}

function rateRow(what: string, series: Series, min?: number): Row {
  const values = perSecond(series);
  const row = { what, value: range(values, count) };
  return min === undefined ? row : { ...row, target: `>= ${count(min)}`, met: median(values) >= min };
}

/**
 * Interleaved series of subjects, started afresh several times: how a thread's compiler decides differs from start to
 * start by more than the noise of the rounds.
 */
async function measured(
  make: () => Subject[],
  options: InterleaveOptions & { starts: number },
): Promise<Series[]> {
  let all: Series[] = [];
  for (let start = 0; start < options.starts; start++) {
    const subjects = make();
    try {
      const series = await interleave(subjects, options);
      all = series.map((values, index) => [...(all[index] ?? []), ...values]);
    } finally {
      for (const subject of subjects) await subject.close();
    }
  }
  return all;
}

interface SplitChoice {
  readonly cpu?: 'atomic' | 'plain';
  readonly unit?: 'handler' | 'pass';
  readonly root?: string;
}

/** A thread that splits hot pages of a machine of its own. */
function hotSplits(name: string, hot: BenchMachine, choice: SplitChoice): Subject {
  const task: ThreadTask = {
    kind: 'split',
    unit: choice.unit ?? 'handler',
    cpu: choice.cpu ?? 'atomic',
    restore: true,
    root: choice.root ?? SOURCE,
    stripped: choice.root !== undefined,
    ...hot,
    buffer: bootShared(hot),
  };
  return startThread(name, task);
}

/** One 2 MiB split with everything in the cache, beside C. */
async function split({ quick, c }: BenchContext): Promise<Row[]> {
  const hot = hugeMachine(HOT_MEMORY, '2m');
  const subjects = (): Subject[] => [
    hotSplits('AtomicCpu', hot, {}),
    hotSplits('PlainCpu', hot, { cpu: 'plain' }),
    ...(c === undefined ? [] : [startC(c, hot.machine, hot.layout, 'hot')]),
  ];
  const [atomic, plain, inC] = await measured(subjects, plan(quick));
  const rows: Row[] = [
    { what: 'hot 2M split, AtomicCpu', value: range(atomic!, ns) },
    { what: 'hot 2M split, PlainCpu unstepped', value: range(plain!, ns) },
  ];
  if (inC === undefined) return rows;
  return [
    ...rows,
    { what: 'hot 2M split, C', value: range(inC, ns) },
    ratioRow('hot 2M split, AtomicCpu / C', atomic!, inC, MAX_SPLIT_RATIO),
    ratioRow('hot 2M split, PlainCpu / C', plain!, inC),
  ];
}

/**
 * What it costs the parallel runtime that actors can be suspended. A pass over few pages is mostly about entering
 * generators; one over more is what a pass over a guest is like, and still fits a second-level cache.
 */
async function stepping({ quick }: BenchContext): Promise<Row[]> {
  const root = writeStrippedTree();
  const unit = 'pass';
  const rows: Row[] = [];
  for (const [memory, pages, max] of [
    [HOT_MEMORY, 8, undefined],
    [WARM_MEMORY, 32, MAX_STEPPING_RATIO],
  ] as const) {
    const machine = hugeMachine(memory, '2m');
    const [actors, functions] = await measured(
      () => [hotSplits('generators', machine, { unit }), hotSplits('functions', machine, { unit, root })],
      plan(quick),
    );
    rows.push(ratioRow(`pass of ${pages} splits, generators / functions`, actors!, functions!, max));
  }
  return rows;
}

/** A whole pass over memory that no cache holds. */
async function pass({ quick, c }: BenchContext): Promise<Row[]> {
  const enough = freemem() > 4 * 2 ** 30;
  if (!quick && !enough) console.log('  less than 4 GiB are free: the pass runs over 4 GiB instead of 64');
  const memory = quick || !enough ? '4G' : '64G';
  const rows: Row[] = [];
  for (const backing of ['2m', '1g'] as const) {
    const big = hugeMachine(memory, backing);
    const engine: number[] = [];
    const inC: number[] = [];
    for (let round = 0; round < (quick ? 2 : 5); round++) {
      engine.push(
        await once(
          startThread('engine', {
            kind: 'split',
            unit: 'pass',
            cpu: 'atomic',
            restore: false,
            root: SOURCE,
            stripped: false,
            ...big,
            buffer: bootShared(big),
          }),
        ),
      );
      if (c !== undefined) inC.push(await once(startC(c, big.machine, big.layout, 'cold')));
    }
    const what = `full pass over ${memory} of ${backing.toUpperCase()} pages`;
    // A pass over 4 GiB is over before the compiler has settled, so nothing is promised about it; 1 GiB pages are for
    // information, the target is about 2 MiB ones.
    const target = memory === '64G' && backing === '2m' ? MIN_SPLITS_PER_SECOND : undefined;
    rows.push(rateRow(`${what}, splits/s`, engine, target));
    if (c !== undefined) {
      rows.push(rateRow(`${what}, splits/s in C`, inC));
      rows.push(ratioRow(`${what}, engine / C`, engine, inC));
    }
  }
  return rows;
}

async function once(subject: Subject): Promise<number> {
  try {
    const sample = await subject.run(1);
    return sample.ns / sample.units;
  } finally {
    await subject.close();
  }
}

/** The controlled runtime without checks. */
async function controlled({ quick }: BenchContext): Promise<Row[]> {
  const small = smallMachine();
  const runs = (): Subject => startThread('schedules', { kind: 'controlled', root: SOURCE, ...small });
  const resets = (): Subject => startThread('resets', { kind: 'reset', root: SOURCE, ...small });
  const first = runs();
  const operations = (await first.run(10)).units / (10 * SCHEDULES_PER_BATCH);
  await first.close();
  const [operation, reset] = await measured(() => [runs(), resets()], plan(quick));
  const schedule = operation!.map((value) => value * operations);
  const shares = ratios(reset!, schedule);
  return [
    { what: 'controlled, visible operations per schedule', value: operations.toFixed(1) },
    rateRow('controlled, visible operations/s', operation!, MIN_OPERATIONS_PER_SECOND),
    rateRow('controlled, schedules/s', schedule, MIN_SCHEDULES_PER_SECOND),
    {
      what: 'controlled, reset / schedule',
      value: range(shares, (value) => `${(value * 100).toFixed(1)} %`),
      target: `<= ${MAX_RESET_SHARE * 100} %`,
      met: median(shares) <= MAX_RESET_SHARE,
    },
  ];
}

const STRATEGIES = ['pct', 'pos', 'urw', 'surw'] as const;

/** What strategies and coverage cost beside a random walk, and the toy that was measured on explorers in C++ and Rust. */
async function search({ quick }: BenchContext): Promise<Row[]> {
  const small = smallMachine();
  const of = (strategy: string, coverage: boolean): Subject =>
    startThread(strategy, { kind: 'search', ...small, strategy, coverage });
  const [bare, covered, ...others] = await measured(
    () => [of('random-walk', false), of('random-walk', true), ...STRATEGIES.map((name) => of(name, true))],
    plan(quick),
  );
  const toys = ['random-walk', 'pct', 'surw'];
  const toy = await measured(
    () => toys.map((strategy) => startThread(strategy, { kind: 'toy', strategy })),
    plan(quick),
  );
  return [
    ratioRow('explore, with coverage / without', covered!, bare!),
    ...STRATEGIES.map((name, i) =>
      ratioRow(`explore, an operation under ${name} / random walk`, others[i]!, covered!, MAX_STRATEGY_RATIO),
    ),
    ...toys.map((name, i): Row => {
      const values = toy[i]!.map((value) => value * TOY_OPERATIONS);
      const row = { what: `toy, ${TOY_OPERATIONS} operations under ${name}`, value: range(values, ns) };
      if (i > 0) return row;
      return { ...row, target: `<= ${ns(RELACY_TOY_NS)} (relacy)`, met: median(values) <= RELACY_TOY_NS };
    }),
  ];
}

/** For information: nothing is promised about these. */
async function locks({ quick }: BenchContext): Promise<Row[]> {
  const kinds: LockKind[] = ['qrwlock-write', 'qrwlock-read', 'mutex', 'cas-pair'];
  const series = await measured(
    () => kinds.map((what) => startThread(what, { kind: 'lock', root: SOURCE, what })),
    plan(quick),
  );
  const bare = series[3]!;
  return [
    ...kinds.map((kind, index): Row => ({ what: `uncontended ${kind}`, value: range(series[index]!, ns) })),
    ratioRow('uncontended write lock / two atomics', series[0]!, bare),
  ];
}

export const BENCHMARKS: Readonly<Record<string, (context: BenchContext) => Promise<Row[]>>> = {
  split,
  stepping,
  pass,
  controlled,
  search,
  workers: async ({ quick }) => twoWorkers(quick),
  shrink,
  locks,
};
