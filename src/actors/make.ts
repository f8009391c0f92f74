/** From an actor's description to its generator. */
import type { Steps } from '../cpu/steps.ts';
import { CAST } from './cast.ts';
import type { ActorContext, ActorSpec, CustomActor } from './context.ts';
import { l2Vcpu } from './l2-vcpu.ts';
import { migration } from './migration.ts';
import { splitWorker } from './split-worker.ts';

/**
 * Starts an actor.
 * @param custom actors that the scenario module brings along, by name
 * @throws Error if a custom actor is not among them
 */
export function makeActor(
  context: ActorContext,
  spec: ActorSpec,
  custom: Readonly<Record<string, CustomActor>> = {},
): Steps<void> {
  switch (spec.kind) {
    case 'l2-vcpu':
      return l2Vcpu(context, spec.vcpu, spec.workload);
    case 'split-worker':
      return splitWorker(context, spec.shard);
    case 'migration':
      return migration(context, spec.slots, spec.rounds, spec.clearPages);
    case 'cast': {
      const member = CAST[spec.member];
      if (member === undefined) throw new Error(`there is no actor named ${spec.member}`);
      return member.run(context, spec.options);
    }
    case 'custom': {
      const actor = custom[spec.name];
      if (actor === undefined) throw new Error(`the scenario has no actor named ${spec.name}`);
      return actor(context, spec.options);
    }
  }
}
