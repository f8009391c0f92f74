/**
 * The rows of kernel-facts 5.1: who acts in this model for each, under which locks, where it gives them up, what it must flush,
 * what was simplified, and where it can be seen to act. `docs/actors.md` is written from this, and a test holds it to what
 * really happens.
 */

import { GUEST_ROWS } from './catalogue-guests.ts';
import type { ActorRow } from './catalogue-row.ts';
import { USER_SPACE_ROWS } from './catalogue-user-space.ts';

export const ACTOR_ROWS: readonly ActorRow[] = [...GUEST_ROWS, ...USER_SPACE_ROWS];

/** What of the rows cannot matter to this model, or is left out, with the reason. */
export const LEFT_OUT: readonly (readonly [what: string, why: string])[] = [
  [
    'address space 1 (SMM) in A1, A8, A18, A20',
    'one address space; B-46 and the second half of B-59 need two',
  ],
  [
    '4-byte guest entries and quadrants in A1',
    'nested roots of EPT and 64-bit NPT have none; C1 is answered for 64-bit tables',
  ],
  ['passthrough pages in A1, A14', 'only where the host has five levels and an NPT guest four'],
  ['supervisor writes with CR0.WP=0 (B-11)', 'an extended page table knows no supervisor'],
  ['kvm_lock in A22', 'there is one VM'],
  ['KVM_REQ_MMU_SYNC on INVVPID and INVPCID in A6', 'L2’s own paging is below the model'],
  ['memory types in A24', 'all memory is write-back; B-53 is out of reach'],
  ['nested PML emulation (B-09)', 'L1 does not migrate L2'],
];

/** Where an allocation can fail (`allocFailRate`, `enomemRate`), and what answers. */
export const ALLOCATION_SITES: readonly (readonly [site: string, rate: string, answer: string])[] = [
  [
    'split_desc_cache, split_page_header_cache, split_shadow_page_cache',
    'allocFailRate',
    '-ENOMEM of the attempt; what was obtained stays, and is enough if the minimum is there',
  ],
  [
    'the four caches of a vCPU, in faults of L2',
    'enomemRate',
    '-ENOMEM out of KVM_RUN; user space enters again',
  ],
  ['the caches of a vCPU, in faults of L1 and on MMIO', 'enomemRate', 'the same'],
  ['the caches of a vCPU, in loads of roots', 'enomemRate', 'no root, and no entry into the guest'],
  ['the table of a TDP split, under the lock', 'enomemRate', 'the lock is dropped to allocate'],
  ['the table of a TDP split, without the lock', 'enomemRate', '-ENOMEM ends the pass'],
  [
    'the dirty bitmap',
    'enomemRate',
    '-ENOMEM of KVM_SET_USER_MEMORY_REGION; user space tries again, then gives the migration up',
  ],
  ['the INVALID copy of a slot to be deleted or moved', 'enomemRate', '-ENOMEM, nothing has changed'],
  ['the arrays of a slot to be created', 'enomemRate', '-ENOMEM, nothing has changed'],
  [
    'the arrays of a slot to be moved',
    'enomemRate',
    '-ENOMEM; the old slot is active again, with nothing mapped',
  ],
  [
    'a frame of the host, to migrate, swap, copy on write or merge',
    'enomemRate',
    'the page stays where it is',
  ],
];
