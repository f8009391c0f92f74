/**
 * Happens-before fingerprints (explorer notes 4.7, after Musuvathi and Qadeer, "Partial-Order Reduction for Context-Bounded
 * State Exploration", 2007): two runs have the same fingerprint if they order all dependent operations alike, however the
 * independent ones were interleaved. Equal fingerprints are the same behaviour; different ones are distinct behaviours up to
 * hash collisions.
 */
import type { Cpu } from '../cpu/cpu.ts';
import type { OpListener } from '../cpu/plain-cpu.ts';
import { isWrite, Op } from '../cpu/steps.ts';

function mix32(a: number, b: number): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b ^ 0x7f4a7c15, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return (h ^ (h >>> 15)) | 0;
}

/** Hashes one run's order of dependent operations; 8-byte units are its locations. */
export class Fingerprint implements OpListener {
  private readonly ops: Int32Array;
  private readonly history: Int32Array;
  /** Per unit: hash of the last write, and a commutative sum of the reads since. */
  private readonly writes = new Map<number, number>();
  private readonly reads = new Map<number, number>();

  constructor(actors: number) {
    this.ops = new Int32Array(actors);
    this.history = new Int32Array(actors);
  }

  begin(): void {
    this.ops.fill(0);
    this.history.fill(0);
    this.writes.clear();
    this.reads.clear();
  }

  operation(cpu: Cpu, op: number, word: number): void {
    if (op === Op.Pause || op === Op.Fence) return;
    const { actor } = cpu;
    const unit = word >> 1;
    const id = mix32(actor + 1, ++this.ops[actor]!);
    const written = this.writes.get(unit) ?? 0;
    let event: number;
    if (isWrite(op)) {
      event = mix32(mix32(id, written), this.reads.get(unit) ?? 0);
      this.writes.set(unit, event);
      this.reads.delete(unit);
    } else {
      event = mix32(id, written);
      this.reads.set(unit, ((this.reads.get(unit) ?? 0) + event) | 0);
    }
    this.history[actor] = mix32(this.history[actor]!, event);
  }

  /** The fingerprint of the run so far, a 32-bit integer. */
  get value(): number {
    let sum = 0;
    for (let actor = 0; actor < this.history.length; actor++) {
      sum = (sum + mix32(actor + 1, this.history[actor]!)) | 0;
    }
    return sum;
  }
}
