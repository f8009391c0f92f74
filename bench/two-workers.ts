/**
 * What a second thread brings a search (issue "The explorer", point 11): at least 1.8 times the schedules per second, on two cores that
 * nobody else wants.
 *
 * Beside it stands what the machine gives two threads that have nothing to do with each other, which is the most there is to
 * have; and the processor time of a schedule, which shows what the threads cost each other even where they do not
 * get a core each: 1.8 times as fast is 1.11 times the time.
 */
import { search } from '../src/campaign/search.ts';
import { computeLayout } from '../src/arena/layout.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../src/check/all.ts';
import { makeJudge } from '../src/check/judge.ts';
import { parseStrategy } from '../src/explore/strategies/index.ts';
import { P1_ENGINE } from '../src/mmu/default-engine.ts';
import { buildMachine } from '../src/scenario/build.ts';
import { loadScenario } from '../src/scenario/load.ts';
import { smallMachine } from './machines.ts';
import { median, range, ratios, type Series } from './subject.ts';
import { startThread } from './thread.ts';

const MIN_RATE = 1.8;
const MAX_TIME = 2 / MIN_RATE;

interface Row {
  readonly what: string;
  readonly value: string;
  readonly target?: string;
  readonly met?: boolean;
}

/** Of one schedule, in microseconds. */
interface Cost {
  readonly wall: number;
  /** Of all threads together. */
  readonly processor: number;
}

const times = (value: number): string => `${value.toFixed(2)}x`;

/** What a search costs once its threads have started and their code is compiled. */
async function costOf(workers: number, warm: number, schedules: number): Promise<Cost> {
  const scenario = await loadScenario('tiny-split');
  const machine = buildMachine(scenario, 'explore');
  const reading = (done: number) => {
    const { user, system } = process.cpuUsage();
    return { done, wall: performance.now() * 1000, processor: user + system };
  };
  let from: ReturnType<typeof reading> | undefined;
  const result = await search({
    machine,
    layout: computeLayout(machine.dims),
    engine: P1_ENGINE,
    custom: scenario.actors,
    judge: makeJudge({ stateChecks: ALL_STATE_CHECKS, stepChecks: ALL_STEP_CHECKS }),
    seed: 'bench',
    from: 0,
    schedules,
    maxFailures: 1,
    strategy: parseStrategy('random-walk'),
    twice: false,
    signal: new AbortController().signal,
    workers,
    setup: { scenario: 'tiny-split', variants: ['p1'] },
    onProgress: (progress) => {
      if (progress.schedules >= warm) from ??= reading(progress.schedules);
    },
  });
  const to = reading(result.schedules);
  const count = to.done - from!.done;
  return { wall: (to.wall - from!.wall) / count, processor: (to.processor - from!.processor) / count };
}

/** Two threads with a search of their own, over one. */
async function ceiling(rounds: number): Promise<Series> {
  const task = { kind: 'search', ...smallMachine(), strategy: 'random-walk', coverage: true } as const;
  const [a, b] = [startThread('one', task), startThread('other', task)];
  const rate = async (subject: typeof a, batches: number): Promise<number> => {
    const { ns, units } = await subject.run(batches);
    return units / ns;
  };
  try {
    const { ns } = await a.run(100);
    await b.run(100);
    const batches = Math.ceil((100 * 1e9) / ns);
    const values: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const alone = await rate(a, batches);
      const both = await Promise.all([rate(a, batches), rate(b, batches)]);
      values.push((both[0] + both[1]) / alone);
    }
    return values;
  } finally {
    await a.close();
    await b.close();
  }
}

/** Schedules per second of two threads over those of one, and what stands beside them. */
export async function twoWorkers(quick: boolean): Promise<Row[]> {
  const [warm, all] = quick ? [30_000, 90_000] : [50_000, 250_000];
  const one: Cost[] = [];
  const two: Cost[] = [];
  for (let round = 0; round < (quick ? 1 : 3); round++) {
    one.push(await costOf(1, warm, all));
    two.push(await costOf(2, warm, all));
  }
  const of = (costs: readonly Cost[], which: keyof Cost): Series => costs.map((each) => each[which]);
  const rates = ratios(of(one, 'wall'), of(two, 'wall'));
  const processor = ratios(of(two, 'processor'), of(one, 'processor'));
  return [
    { what: 'two threads that share nothing / one', value: range(await ceiling(quick ? 1 : 3), times) },
    {
      what: 'explore, schedules/s of two threads / one',
      value: range(rates, times),
      target: `>= ${times(MIN_RATE)}`,
      met: median(rates) >= MIN_RATE,
    },
    {
      what: 'explore, processor time of a schedule in two threads / one',
      value: range(processor, times),
      target: `<= ${times(MAX_TIME)}`,
      met: median(processor) <= MAX_TIME,
    },
  ];
}
