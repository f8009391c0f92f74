/** Operations in words. */
import type { Operation } from './operations.ts';
import type { Recording } from './recording.ts';

const hexOf = (address: number): string => `0x${address.toString(16)}`;

function what(operation: Operation): string {
  switch (operation.type) {
    case 'access':
    case 'background_start': {
      const { mode, access, address, count, stride, root, vcpu } = operation;
      const pages = count === 1 ? '' : `, ${count} times every ${hexOf(stride)}`;
      const through = root === undefined ? '' : ` through root ${root}`;
      const where = operation.type === 'access' ? '' : ' in the background';
      return `${access} of ${mode.toUpperCase()} address ${hexOf(address)}${pages}${through} by vCPU ${vcpu}${where}`;
    }
    case 'background_join':
      return `end of the background of vCPU ${operation.vcpu}`;
    case 'snapshot':
      return `snapshot "${operation.tag}"`;
    case 'set_memslot':
      return `set_memslot ${operation.id}`;
    case 'npt12_root':
      return `npt12_root ${operation.name}`;
    case 'npt12_map':
      return `npt12_map (${operation.mapping})`;
    case 'set_nr_mmu_pages':
      return `set_nr_mmu_pages ${operation.value}`;
    case 'enable_manual_protect':
      return `enable_manual_protect ${operation.flags}`;
    case 'module_param':
      return `module_param ${operation.name}=${operation.value}`;
    case 'set_l1_cr4':
      return `set_l1_cr4 ${operation.value}`;
    case 'clear_dirty_log':
      return (
        `clear_dirty_log of slot ${operation.slot}, ${operation.num_pages} pages from ${operation.first_page}, ` +
        `mask ${operation.word_mask}`
      );
    case 'dirty_logging_on':
    case 'dirty_logging_off':
    case 'get_dirty_log':
      return `${operation.type} of slot ${operation.slot}`;
  }
}

/** `operation 10 (dirty_logging_on of slot 1)`. */
export const operationText = (operation: Operation): string =>
  `operation ${operation.op} (${what(operation)})`;

/** The operation that something seen at `op` follows: a snapshot changes nothing, so it is the one before. */
export function operationBefore(recording: Recording, op: number | undefined): string {
  if (op === undefined) return 'the background';
  const operation = recording.operations.findLast((each) => each.op <= op && each.type !== 'snapshot');
  return operation === undefined ? 'the start' : operationText(operation);
}
