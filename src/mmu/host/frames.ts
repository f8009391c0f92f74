/**
 * Free frames of the host: a ring, first in first out, so that a frame that was given up is used again as late as
 * possible. Everything here is done under the host's lock.
 *
 * The content of a guest page is one word per frame. A frame that was given up has POISON in its word: a guest that reads
 * or writes it got there by a translation that should be gone (D7).
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { KVM, type Kvm } from '../kvm.ts';

/** In the word of a frame that is behind no guest page; versions of pages never get there. */
export const POISON = -0x80000000;

/** The kernel and its user space must not meet a frame like that either. */
export const isPoisoned = (content: number): boolean => (content & POISON) !== 0;

/** The word of a frame's content. */
export const frameWord = (kvm: Kvm, pfn: number): number => kvm.layout.memory + pfn;

const capacity = (kvm: Kvm): number => kvm.config.spareFrames + 2;
const entry = (kvm: Kvm, position: number): number => kvm.layout.frames + (position % capacity(kvm));

/** Boot: the frames right behind those of the slots are free. */
export function fillFrames(kvm: Kvm): void {
  const { spareFrames } = kvm.config;
  const first = kvm.layout.dims.pfns - spareFrames;
  for (let at = 0; at < spareFrames; at++) {
    kvm.arena.put(entry(kvm, at), first + at);
    kvm.arena.put(frameWord(kvm, first + at), POISON);
  }
  kvm.put(KVM.hostFreeHead, 0);
  kvm.put(KVM.hostFreeTail, spareFrames);
}

export const freeFrames = (kvm: Kvm): number => kvm.get(KVM.hostFreeTail) - kvm.get(KVM.hostFreeHead);

/** The frame that has been free for longest, or -1 if there is none. */
export function takeFrame(kvm: Kvm): number {
  if (freeFrames(kvm) === 0) return -1;
  const head = kvm.get(KVM.hostFreeHead);
  kvm.put(KVM.hostFreeHead, head + 1);
  return kvm.w[entry(kvm, head)]!;
}

/** True if the frame is free. */
export function isFree(kvm: Kvm, pfn: number): boolean {
  for (let at = kvm.get(KVM.hostFreeHead); at < kvm.get(KVM.hostFreeTail); at++) {
    if (kvm.w[entry(kvm, at)] === pfn) return true;
  }
  return false;
}

/** Takes this very frame, which is free. */
export function takeThisFrame(kvm: Kvm, pfn: number): void {
  const head = kvm.get(KVM.hostFreeHead);
  let at = head;
  while (kvm.w[entry(kvm, at)] !== pfn) at++;
  // Those in front move up by one, and keep their order.
  for (; at > head; at--) kvm.arena.put(entry(kvm, at), kvm.w[entry(kvm, at - 1)]!);
  kvm.put(KVM.hostFreeHead, head + 1);
}

/** Poisons a frame and puts it at the end of the ring. */
export function* freeFrame(kvm: Kvm, cpu: Cpu, pfn: number): Steps<void> {
  const word = frameWord(kvm, pfn);
  if (cpu.stepped && cpu.stops(Op.Or, word)) yield;
  cpu.or(word, POISON);
  const tail = kvm.get(KVM.hostFreeTail);
  kvm.arena.put(entry(kvm, tail), pfn);
  kvm.put(KVM.hostFreeTail, tail + 1);
}

/** Copies the content of a page to a frame that nothing maps yet. */
export function* copyFrame(kvm: Kvm, cpu: Cpu, from: number, to: number): Steps<void> {
  const source = frameWord(kvm, from);
  const target = frameWord(kvm, to);
  if (cpu.stepped && cpu.stops(Op.Load, source)) yield;
  const content = cpu.load(source);
  if (cpu.stepped && cpu.stops(Op.Store, target)) yield;
  cpu.store(target, content);
}
