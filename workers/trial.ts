/** Thread that loads a user's file for the first time; see src/scenario/trial.ts. */
import { loadExperiment } from '../src/campaign/claims/load.ts';
import { loadVariant } from '../src/campaign/variants.ts';
import { buildMachine } from '../src/scenario/build.ts';
import { loadScenario } from '../src/scenario/load.ts';
import type { TrialReply, TrialRequest } from '../src/scenario/trial.ts';

export default async (request: TrialRequest): Promise<TrialReply> => {
  try {
    if (request.kind === 'scenario')
      buildMachine(await loadScenario(request.path), request.purpose, request.parameters);
    else if (request.kind === 'variant') await loadVariant(request.path);
    else await loadExperiment(request.path);
    return {};
  } catch (error) {
    // A parameter or a size that does not fit is the main thread's to report, in its own words.
    const name = error instanceof Error ? error.name : '';
    if (name === 'ParameterError' || name === 'ArenaError') return {};
    return { error: error instanceof Error ? error.message : String(error) };
  }
};
