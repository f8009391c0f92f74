/** Several machines that should be clean, one after the other. */
import type { Witness } from '../../report/claim-record.ts';
import type { ExploreSetting, Lab, Searched } from './define.ts';

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
