/** Piscina entry point of the scoreboard: one trial. */
import { masterSeed, mix } from '../../src/cpu/random.ts';
import { parseStrategy } from '../../src/explore/strategies/index.ts';
import { entryOf } from './subjects.ts';
import { runTrial, type Subject, type Trial } from './trial.ts';

export interface TrialTask {
  readonly subject: string;
  readonly strategy: string;
  readonly trial: number;
  readonly seed: string;
  readonly budget: number;
}

/** The last subject that was opened: tasks come subject by subject. */
let opened: Subject | undefined;

/** A trial's master seed depends on what is searched, how, and its number: no two trials share schedules. */
export const masterOf = ({ seed, subject, strategy, trial }: TrialTask): number =>
  mix(masterSeed(`${seed}/${subject}/${strategy}`), trial);

export default async (task: TrialTask): Promise<Trial> => {
  if (opened?.name !== task.subject) opened = await entryOf(task.subject)!.open();
  return runTrial(opened, parseStrategy(task.strategy), masterOf(task), task.budget);
};
