/** Several machines that should be clean, one after the other. */
import type { Witness } from '../../report/claim-record.ts';
import type { ExploreSetting, Lab, ProveSetting, Searched } from './define.ts';

export interface Clean {
  readonly schedules: number;
  /** The first failure; what comes after it was not run. */
  readonly failure: Witness | undefined;
  readonly searches: readonly Searched[];
}

export async function exploreAll(lab: Lab, settings: readonly ExploreSetting[]): Promise<Clean> {
  const searches: Searched[] = [];
  for (const setting of settings) {
    searches.push(await lab.explore(setting));
    if (searches.at(-1)!.failure !== undefined) break;
  }
  return {
    schedules: searches.reduce((sum, { schedules }) => sum + schedules, 0),
    failure: searches.at(-1)?.failure,
    searches,
  };
}

export interface Exact extends Clean {
  /** All of each machine was run, within its bound. */
  readonly complete: boolean;
  /** `tiny-split (147 classes, every behaviour), tiny-holes (9,426 schedules, three preemptions)`. */
  readonly text: string;
}

const NUMBERS = ['no', 'one', 'two', 'three', 'four'] as const;

/** Most schedules of one machine; more are not tried, and nothing is said then. */
const MOST = 40_000;

/** Several small machines that should be clean, each searched to its end. */
export async function proveAll(lab: Lab, settings: readonly Omit<ProveSetting, 'atMost'>[]): Promise<Exact> {
  const searches: Searched[] = [];
  const texts: string[] = [];
  for (const setting of settings) {
    const searched = await lab.prove({ ...setting, atMost: MOST });
    searches.push(searched);
    const { preemptions } = setting;
    const runs = searched.schedules.toLocaleString('en-US');
    const bound =
      preemptions === undefined
        ? `${runs} classes, every behaviour`
        : `${runs} schedules, ${NUMBERS[preemptions] ?? String(preemptions)} preemption${preemptions === 1 ? '' : 's'}`;
    texts.push(`${setting.scenario} (${bound})`);
    if (searched.failure !== undefined) break;
  }
  return {
    schedules: searches.reduce((sum, { schedules }) => sum + schedules, 0),
    failure: searches.at(-1)?.failure,
    searches,
    complete: searches.length === settings.length && searches.every(({ complete }) => complete),
    text: texts.join(' and '),
  };
}
