/** Piscina entry point of the parallel runtime: one actor on this thread. */
import { runActorTask } from '../src/campaign/worker.ts';
import type { ActorMeasures } from '../src/campaign/equipment.ts';
import type { ActorReply, ActorTask } from '../src/runtime/parallel-actor.ts';

export default (task: ActorTask): Promise<ActorReply<ActorMeasures>> => runActorTask(task);
