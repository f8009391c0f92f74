/** What a cast cannot do in the machine it is given, and features that do not go together. */
import type { KvmConfig } from '../mmu/config.ts';
import type { MachineSpec, Scenario } from './define.ts';
import { ParameterError, type CommonParameters } from './parameters.ts';
import { ScenarioError } from './validate.ts';

/** NPT always has A and D bits. @throws ParameterError */
export function checkAdBits(p: CommonParameters): void {
  if (p.format === 'npt' && !p.hostAdBits) {
    throw new ParameterError('hostAdBits', false, 'true with npt, which always has A and D bits');
  }
}

/** Tables that are not nested are shadowed by the legacy MMU only. @throws ScenarioError */
export function checkGuestMode(scenario: Scenario, config: KvmConfig): void {
  if (!config.tdpMmu) return;
  const at = config.roots.findIndex((root) => root.guestMode === false);
  if (at >= 0) {
    throw new ScenarioError(
      `scenario ${scenario.name}: roots.${at}.guestMode: false given, allowed is true unless tdpMmu is off`,
    );
  }
}

/**
 * @throws ScenarioError for slots that a member works on and that do not exist
 * @throws ParameterError for a cast that never ends, or has no vCPU to be
 */
export function checkCast(
  scenario: Scenario,
  spec: MachineSpec,
  p: CommonParameters,
  config: KvmConfig,
): void {
  const cast = spec.cast ?? [];
  const last = config.slots.length - 1;
  cast.forEach((member, at) => {
    const where = `scenario ${scenario.name}: cast.${at}`;
    for (const slot of member.slots ?? []) {
      if (slot > last) {
        throw new ScenarioError(`${where}.slots: ${slot} given, allowed are the memslots 0 to ${last}`);
      }
    }
    if (member.kind === 'memslots' && last < 2) {
      throw new ScenarioError(`${where}: memslots given, allowed is that with an extra slot (extraSlots)`);
    }
    if (member.kind === 'memslots' && (member.slots ?? []).some((slot) => slot < 2)) {
      throw new ScenarioError(
        `${where}.slots: ${(member.slots ?? []).join(', ')} given, allowed are extra slots, 2 to ${last}`,
      );
    }
    if (member.kind === 'l1-vcpu' && p.l1Vcpus === 0) {
      throw new ParameterError('l1Vcpus', 0, `1 or more: ${scenario.name} has L1 itself act`);
    }
    if (member.kind === 'vm-teardown' && spec.migration === false) {
      throw new ScenarioError(
        `${where}: vm-teardown given, allowed is that with a migration, at whose end the VM goes`,
      );
    }
    const ownActors = (spec.actors ?? []).length > 0;
    if (spec.migration === false && !ownActors && (member.rounds ?? p.castRounds) === 0) {
      throw new ParameterError('castRounds', 0, '1 or more: without a migration nothing ends the cast');
    }
  });
  if (p.swarm > 0 && cast.length === 0 && p.l1Vcpus === 0) {
    throw new ParameterError(
      'swarm',
      p.swarm,
      `0: ${scenario.name} has no further actor that could stay away`,
    );
  }
}
