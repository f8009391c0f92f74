/** Who acts in a machine, in a fixed order, and what its vCPUs do. */
import { CAST } from '../actors/cast.ts';
import type { ActorSpec, CastKind, Workload, WorkloadRange } from '../actors/context.ts';
import { pagesPerHpage } from '../arena/layout.ts';
import type { KvmConfig } from '../mmu/config.ts';
import { ROOT_L1 } from '../mmu/vcpu-words.ts';
import type { CastSpec, MachineSpec, TouchSpec } from './define.ts';
import type { CommonParameters } from './parameters.ts';
import { ScenarioError } from './validate.ts';

/** One access in every page L1 maps: a write where L1 permits it. L1 itself, if it runs, has used its memory before. */
export function populateAll(config: KvmConfig): TouchSpec[] {
  return [...populateL1(config), ...populateL2(config)];
}

/** A write of L1 in every 2M page, or 4K page if the host has no larger, of all slots but the one for nothing but its tables. */
function populateL1(config: KvmConfig): TouchSpec[] {
  if (config.l1Vcpus === 0) return [];
  return config.slots.slice(1).flatMap((slot): TouchSpec[] => {
    if (slot.gone === true) return [];
    // Level 3 pages may be impossible although the host has them; where they are not, these are hits.
    const stride = pagesPerHpage(Math.min(slot.backing, 2), config.tableBits);
    const count = Math.ceil(slot.npages / stride);
    return [{ root: ROOT_L1, access: slot.readonly ? 'read' : 'write', l2Gfn: slot.baseGfn, count, stride }];
  });
}

function populateL2(config: KvmConfig): TouchSpec[] {
  return config.roots.flatMap((root, index) =>
    root.mappings.map((mapping): TouchSpec => ({
      root: index,
      access: mapping.write ? 'write' : 'read',
      l2Gfn: mapping.l2Gfn,
      count: mapping.count,
      stride: pagesPerHpage(mapping.level, config.tableBits),
    })),
  );
}

function workloadRanges(config: KvmConfig): WorkloadRange[] {
  return config.roots.flatMap((root, index) =>
    root.mappings.map((mapping): WorkloadRange => ({
      root: index,
      l2Gfn: mapping.l2Gfn,
      pages: mapping.count * pagesPerHpage(mapping.level, config.tableBits),
      write: mapping.write,
      exec: mapping.exec,
    })),
  );
}

/** The migrated slot; but who deletes slots would end the migration, and works on the others. */
function defaultSlots(kind: CastKind, config: KvmConfig): readonly number[] {
  return kind === 'memslots' ? config.slots.map(({ id }) => id).filter((id) => id > 1) : [1];
}

/** @throws ScenarioError for a member of the cast or a move that does not exist */
export function makeActors(spec: MachineSpec, p: CommonParameters, config: KvmConfig): ActorSpec[] {
  const workload: Workload = {
    ops: p.ops,
    writeFraction: p.writeFraction,
    execFraction: p.execFraction,
    rootSwitchRate: p.rootSwitchRate,
    burst: p.burst,
    ranges: workloadRanges(config),
  };
  const actors: ActorSpec[] = [];
  if (spec.migration !== false) {
    const clear = p.clearPages === 0 ? {} : { clearPages: p.clearPages };
    actors.push({ kind: 'migration', slots: [1], rounds: p.rounds, ...clear });
  }
  if (config.shards > 1) {
    for (let shard = 0; shard < config.shards; shard++) actors.push({ kind: 'split-worker', shard });
  }
  const guests = spec.guests === false ? 0 : p.vcpus;
  for (let vcpu = 0; vcpu < guests; vcpu++) actors.push({ kind: 'l2-vcpu', vcpu, workload });
  const cast: CastSpec[] = [
    ...(spec.cast ?? []).filter(({ kind }) => kind !== 'l1-vcpu'),
    ...Array.from(
      { length: p.l1Vcpus },
      (): CastSpec => spec.cast?.find(({ kind }) => kind === 'l1-vcpu') ?? { kind: 'l1-vcpu' },
    ),
  ];
  let l1Vcpu = p.vcpus;
  cast.forEach((member, index) => {
    const known = CAST[member.kind];
    if (known === undefined) throw new ScenarioError(`cast.${index}.kind: ${member.kind} is not there`);
    for (const name of Object.keys(member.weights ?? {})) {
      if (!(name in known.moves)) {
        throw new ScenarioError(
          `cast.${index}.weights: ${member.kind} has no move ${name}; allowed are ${Object.keys(known.moves).join(', ')}`,
        );
      }
    }
    actors.push({
      kind: 'cast',
      member: member.kind,
      options: {
        index: member.kind === 'l1-vcpu' ? l1Vcpu++ : index,
        slots: member.slots ?? defaultSlots(member.kind, config),
        rounds: member.rounds ?? p.castRounds,
        weights: { ...(member.weights ?? known.moves) },
        swarm: p.swarm,
        ranges: workload.ranges,
      },
    });
  });
  for (const custom of spec.actors ?? [])
    actors.push({ kind: 'custom', name: custom.name, options: custom.options ?? {} });
  return actors;
}
