/** Piscina entry point of `splitstorm bugs`: one hunt. */
import { hunt, type Hunt, type HuntTask } from '../src/campaign/bugs/hunt.ts';

export default (task: HuntTask): Promise<Hunt> => hunt(task);
