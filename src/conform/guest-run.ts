/**
 * KVM_RUN of the recordings' vCPUs: L1, its page tables, its code and the accesses it makes, or the L2 that it starts. The
 * processor has no tags in its TLB: every entry into a guest begins with an empty one.
 */
import { Op, type Steps } from '../cpu/steps.ts';
import { loadRoot } from '../mmu/boot.ts';
import { RET_PF_EMULATE, RET_PF_INJECT, ENOMEM } from '../mmu/errno.ts';
import { guestFault } from '../mmu/guest-fault.ts';
import { accessGuestMemory } from '../mmu/guest-memory.ts';
import { translate, WALK_FORBIDDEN, WALK_MMIO } from '../mmu/hardware.ts';
import { frameWord } from '../mmu/host/frames.ts';
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE } from '../mmu/shadow/walk-addr.ts';
import { tlbFlushAll } from '../mmu/tlb.ts';
import { enterGuest, exitGuest, type Vcpu } from '../mmu/vcpu.ts';
import { IN_GUEST_MODE, MODE_MASK, ROOT_L1, VCPU } from '../mmu/vcpu-words.ts';
import type { EventRecorder } from './event-recorder.ts';
import { GuestGate } from './guest-gate.ts';
import { NotPerformable, PAGE } from './machine.ts';

/** The work area (docs/conformance.md): L1's page tables, code of L1 and of L2, as gfns of L1 and of L2. */
const L1_TABLES = [0x1, 0x2] as const;
const L1_CODE = 0x8;
const L2_CODE = 0x9;
/** Faults that one access may take before something is wrong. */
const MAX_TRIES = 16;
/** L2 has no paging and 32-bit addresses, which wrap. */
const L2_ADDRESSES = 2 ** 32;

export const ACCESS = { read: ACCESS_READ, write: ACCESS_WRITE, slow_write: ACCESS_WRITE, exec: ACCESS_EXEC };

/** One KVM_RUN. */
export interface GuestRun {
  readonly op: number;
  /** Root of the configuration that L2 runs on; ROOT_L1: L1 itself makes the accesses. */
  readonly root: number;
  readonly access: keyof typeof ACCESS;
  /** Bytes. */
  readonly address: number;
  readonly count: number;
  readonly stride: number;
}

/** The whole run: L1's own start, then the accesses, then the end. */
export function* guestRun(
  vcpu: Vcpu,
  recorder: EventRecorder,
  run: GuestRun,
  gate: GuestGate = new GuestGate(),
): Steps<void> {
  const l1 = new Stay(vcpu, recorder, ROOT_L1, run.op, gate);
  for (const gfn of L1_TABLES) yield* l1.touch(gfn * PAGE, ACCESS_WRITE, false);
  yield* l1.touch(L1_CODE * PAGE, ACCESS_EXEC);
  const nested = run.root !== ROOT_L1;
  const guest = nested ? new Stay(vcpu, recorder, run.root, run.op, gate) : l1;
  if (nested) {
    yield* l1.leave();
    yield* gate.pass(vcpu, () => gate.mayTell());
    // VMRUN.
    decode(vcpu, recorder, L1_CODE * PAGE);
    const { roots, tableGfn } = vcpu.kvm.config;
    recorder.tell(vcpu.cpu, {
      type: 'kvm_nested_vmenter',
      nested_rip: (L2_CODE * PAGE).toString(16),
      nested_cr3: ((tableGfn + (roots[run.root]!.table ?? 0)) * PAGE).toString(16),
    });
    yield* guest.touch(L2_CODE * PAGE, ACCESS_EXEC);
  }
  for (let k = 0; k < run.count; k++) {
    const address = run.address + k * run.stride;
    yield* guest.touch(nested ? address % L2_ADDRESSES : address, ACCESS[run.access]);
  }
  yield* guest.leave();
  yield* gate.pass(vcpu, () => gate.mayTell());
  // What L1 jumps to ends its run by an instruction that KVM decodes where it stands.
  if (!nested && run.access === 'exec') decode(vcpu, recorder, run.address + (run.count - 1) * run.stride);
  if (!nested) return;
  recorder.tell(vcpu.cpu, { type: 'kvm_nested_vmexit_inject', reason: 'hypercall', info1: '0', info2: '0' });
  yield* l1.touch(L1_CODE * PAGE, ACCESS_EXEC);
  yield* l1.leave();
}

/** L1's own page tables, at fixed places: a PML4, and a PDPT whose entry k maps GiB k. All A and D bits are set. */
const PML4_ENTRY = 0x2063;
const PDPT_BITS = 0xe3;
const GIB = 2 ** 30;
/** Error code of a fetch by L1 in ring 0. */
const FETCH = 16;

/** KVM emulates the instruction of L1 at `address`, and walks L1's page tables to fetch it. */
function decode({ cpu }: Vcpu, recorder: EventRecorder, address: number): void {
  const gib = Math.floor(address / GIB);
  recorder.walk(cpu, address, FETCH);
  recorder.guestWalkEntry(cpu, PML4_ENTRY, 0, 4);
  recorder.guestWalkEntry(cpu, ((gib << 30) | PDPT_BITS) >>> 0, gib >>> 2, 3);
}

/** A stay of one guest on the vCPU. */
class Stay {
  private readonly vcpu: Vcpu;
  private readonly recorder: EventRecorder;
  private readonly root: number;
  private readonly op: number;
  private readonly gate: GuestGate;
  private inside = false;

  constructor(vcpu: Vcpu, recorder: EventRecorder, root: number, op: number, gate: GuestGate) {
    this.vcpu = vcpu;
    this.recorder = recorder;
    this.root = root;
    this.op = op;
    this.gate = gate;
  }

  private *enter(): Steps<void> {
    const { vcpu, recorder } = this;
    while (!this.inside) {
      recorder.flushesByItself(vcpu.cpu, true);
      yield* loadRoot(vcpu, this.root);
      tlbFlushAll(vcpu);
      recorder.flushesByItself(vcpu.cpu, false);
      this.inside = yield* enterGuest(vcpu);
    }
  }

  *leave(): Steps<void> {
    if (this.inside) yield* exitGuest(this.vcpu);
    this.inside = false;
  }

  /** One access with its faults. `final` false: it is the processor that walks L1's own page tables. */
  *touch(address: number, access: number, final = true): Steps<void> {
    const { vcpu, recorder, gate } = this;
    const { kvm, cpu } = vcpu;
    const gfn = Math.floor(address / PAGE);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      yield* this.answerKick();
      yield* gate.pass(
        vcpu,
        () => gate.mayTouch(gfn),
        () => this.answerKick(),
      );
      yield* this.enter();
      const pfn = yield* translate(vcpu, gfn, access);
      if (pfn >= 0) {
        const write = access === ACCESS_WRITE;
        if (cpu.stepped && cpu.stops(write ? Op.Add : Op.Load, frameWord(kvm, pfn))) yield;
        accessGuestMemory(vcpu, gfn, pfn, write);
        return;
      }
      yield* this.leave();
      const forbidden = pfn === WALK_FORBIDDEN;
      recorder.pageFault(cpu, vcpu.index, address, access, forbidden, final);
      gate.outside = true;
      const result = yield* guestFault(vcpu, gfn, access, forbidden, pfn === WALK_MMIO);
      gate.outside = false;
      if (result === RET_PF_EMULATE) return;
      if (result === RET_PF_INJECT || result === ENOMEM) {
        const why = result === ENOMEM ? 'no memory is left' : "L1's tables forbid it";
        throw new NotPerformable(`operation ${this.op}: access to 0x${address.toString(16)}: ${why}`);
      }
    }
    throw new NotPerformable(
      `operation ${this.op}: access to 0x${address.toString(16)} still faults after ${MAX_TRIES} faults were handled`,
    );
  }

  /** An interrupt is taken between two instructions: that is where a kick is seen. */
  private *answerKick(): Steps<void> {
    const { cpu } = this.vcpu;
    if (!this.inside) return;
    const mode = this.vcpu.word(VCPU.mode);
    if (cpu.stepped && cpu.stops(Op.Load, mode)) yield;
    if ((cpu.load(mode) & MODE_MASK) !== IN_GUEST_MODE) yield* this.leave();
  }
}
