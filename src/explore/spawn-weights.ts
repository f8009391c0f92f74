/**
 * Weights of actors that begin others (explorer notes 4.4): until an actor can begin, its events are credited to the one that
 * lets it, so that drawing in proportion to the weights can mean the one who is not there yet. The tree comes from the profile.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { Op } from '../cpu/steps.ts';

export class SpawnWeights {
  /** What each actor has left, those it is still to begin included. */
  readonly left: Float64Array;
  private readonly own: Float64Array;
  private readonly parents: Int32Array;
  /** 1 while an actor that another one begins has not been seen able to go on. */
  private readonly unborn: Uint8Array;
  private pending = 0;

  constructor(actors: number, parents: Int32Array) {
    this.left = new Float64Array(actors);
    this.own = new Float64Array(actors);
    this.unborn = new Uint8Array(actors);
    this.parents = new Int32Array(actors).fill(-1);
    for (let i = 0; i < actors; i++) this.parents[i] = parents[i] ?? -1;
  }

  /** Begins a schedule in which actor i has `own[i]` events. */
  begin(own: ArrayLike<number>): void {
    const { left, parents, unborn } = this;
    this.pending = 0;
    for (let i = 0; i < left.length; i++) {
      this.own[i] = own[i] ?? 0;
      left[i] = this.own[i]!;
      unborn[i] = parents[i]! >= 0 ? 1 : 0;
      this.pending += unborn[i]!;
    }
    for (let i = 0; i < left.length; i++) {
      let ancestor = parents[i]!;
      for (let depth = 0; ancestor >= 0 && depth < left.length; depth++) {
        left[ancestor]! += this.own[i]!;
        ancestor = parents[ancestor]!;
      }
    }
  }

  /** Looks for actors that can go on now: from here on their events are their own. */
  update(actors: readonly Cpu[], enabled: Int32Array, count: number): void {
    if (this.pending === 0) return;
    for (let i = 0; i < count; i++) {
      const actor = enabled[i]!;
      // Every actor can make its start; it is born once its wait has ended.
      if (this.unborn[actor] === 0 || actors[actor]!.pendingOp === Op.Pause) continue;
      this.unborn[actor] = 0;
      this.pending--;
      const parent = this.parents[actor]!;
      this.left[parent] = Math.max(0, this.left[parent]! - this.left[actor]!);
    }
  }
}
