/**
 * What could run but would test nothing, or not what it says: refused before anything runs. What a machine cannot be is
 * refused by src/scenario; here the engine is known too.
 */
import type { ActorSpec } from '../actors/context.ts';
import { pagesPerHpage } from '../arena/layout.ts';
import type { Engine } from '../mmu/engine.ts';
import type { Machine } from '../scenario/build.ts';
import { COMMON_PARAMETERS, ParameterError } from '../scenario/parameters.ts';

/** True if the actor may write to the guest's memory. */
function writes(actor: ActorSpec): boolean {
  switch (actor.kind) {
    case 'l2-vcpu':
      return actor.workload.writeFraction > 0 && actor.workload.ranges.some((range) => range.write);
    case 'cast':
      return (
        actor.member === 'l1-vcpu' &&
        actor.options.swarm < 1 &&
        Object.entries(actor.options.weights).some(editsOrWrites)
      );
    case 'custom':
      return true;
    case 'migration':
    case 'split-worker':
      return false;
  }
}

const editsOrWrites = ([move, weight]: readonly [string, number]): boolean =>
  weight > 0 && move !== 'read' && move !== 'exec';

/** True if L1 maps everything one to one and leaves it so. */
function isIdentity({ config, actors }: Machine): boolean {
  const edits = actors.some(
    (actor) =>
      actor.kind === 'cast' &&
      actor.member === 'l1-vcpu' &&
      Object.entries(actor.options.weights).some((move) => editsOrWrites(move) && move[0] !== 'write'),
  );
  return (
    !edits &&
    config.roots.every((root) =>
      root.mappings.every(
        ({ l2Gfn, l1Gfn, l1Step, level }) =>
          l2Gfn === l1Gfn && l1Step === pagesPerHpage(level, config.tableBits),
      ),
    )
  );
}

/** What the user should know of a machine before taking its findings at face value. */
export function machineNotes(machine: Machine): string[] {
  const { flushBackend } = machine.config;
  const notes: string[] = [];
  if (flushBackend === 'range-l1' && !isIdentity(machine)) {
    notes.push(
      'flushBackend range-l1 takes gfns of L1 for addresses of L2, and L1 does not map one to one here: stale translations ' +
        'are what H-K is about, not a mistake of the engine',
    );
  }
  if (flushBackend !== 'full') {
    notes.push(
      "KVM's rmap walker names too few gfns before it yields with a flush carried over from a lower level (H-E); the variant " +
        'yield-flushes-all does not',
    );
  }
  return notes;
}

/** @throws ParameterError naming the parameter, what was given and what is allowed */
export function refuseSenseless({ actors, config, parameters }: Machine, engine: Engine): void {
  if (!actors.some(writes)) {
    throw new ParameterError(
      'writeFraction',
      parameters['writeFraction'],
      'more than 0 and a range that L2 may write to: nobody would write, so nothing could be lost',
    );
  }
  if (config.pmlEntries > 0 && config.l1Vcpus === 0 && !engine.pmlLogs(config, 0)) {
    throw new ParameterError('pml', config.pmlEntries, '0 without an L1 vCPU: PML is off while L2 runs');
  }
  if (config.ringEntries > 0 && config.manualProtect !== 0) {
    throw new ParameterError(
      'manual',
      parameters['manual'],
      'off with a dirty ring: there is no bitmap to clear by hand',
    );
  }
  if (config.eagerPageSplit && !config.tdpMmu && !engine.splitsWithoutTdp) {
    throw new ParameterError(
      'tdpMmu',
      false,
      'true, or eager off: without the TDP MMU this engine never splits eagerly (C1)',
    );
  }
  refuseSwitchedOff(actors, parameters);
  if (config.shards > 1 && !config.eagerPageSplit) {
    throw new ParameterError(
      'splitters',
      config.shards,
      '1 with eager off: the split workers would have nothing to do',
    );
  }
  if (!config.nxHugePages && config.nxRecoveryRatio !== COMMON_PARAMETERS.nxRecoveryRatio.default) {
    throw new ParameterError(
      'nxRecoveryRatio',
      config.nxRecoveryRatio,
      `${COMMON_PARAMETERS.nxRecoveryRatio.default}, or nx on: without NX splits nothing is recovered`,
    );
  }
  const recovers = actors.some((actor) => actor.kind === 'cast' && actor.member === 'nx-recovery');
  if (recovers && !config.nxHugePages) {
    throw new ParameterError('nx', false, 'true with nx-recovery: without NX splits nothing is recovered');
  }
}

/** Rates at which somebody without whom there is nothing to see never comes to act. */
function refuseSwitchedOff(actors: readonly ActorSpec[], parameters: Machine['parameters']): void {
  if (parameters['swarm'] === 1 && actors.some((actor) => actor.kind === 'cast')) {
    throw new ParameterError('swarm', 1, 'less than 1: nobody of the cast would ever come');
  }
  if (parameters['enomemRate'] === 1) {
    throw new ParameterError('enomemRate', 1, 'less than 1: no vCPU would ever get what a fault needs');
  }
  if (parameters['spuriousFaultRate'] === 1) {
    throw new ParameterError(
      'spuriousFaultRate',
      1,
      'less than 1: no access of the guest would ever be made',
    );
  }
}
