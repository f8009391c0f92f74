/**
 * The same behaviour with fewer switches. Operations that do not depend on each other may change places, so a run has many linear
 * orders that come to the same; this builds one in which an actor goes on for as long as nothing it depends on is missing (Huang, Zhang, "An
 * Efficient Static Trace Simplification Technique for Debugging Concurrent Programs", SAS 2011, who merge nodes of the
 * dependence graph; here the order is built from its beginning, with a look at how far each actor would come). What actors share beside visible
 * operations is not in the graph, so the order has to be run before it counts.
 */
import { Boundary, type Cpu } from '../cpu/cpu.ts';
import type { RunCoverage } from '../cpu/plain-cpu.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import type { Segment } from './segments.ts';

interface Node {
  readonly actor: number;
  /** Before it a switch costs nothing: the actor is at a boundary, or blocked. */
  readonly free: boolean;
  /** Steps of other actors that have to come first, by their place in the run. */
  readonly after: number[];
}

/** Wraps a scheduler and writes down the steps of a run with what each depends on; `coverage` has to be installed for it. */
export class DependenceRecorder implements Scheduler {
  nodes: Node[] = [];
  readonly coverage: RunCoverage;
  private readonly inner: Scheduler;
  private actors: readonly Cpu[] = [];
  private readonly lastWrite = new Map<number, number>();
  private readonly reads = new Map<number, number[]>();

  /** @param entriesFrom words from this one on are parts of 8-byte entries */
  constructor(inner: Scheduler, entriesFrom: number) {
    this.inner = inner;
    this.coverage = {
      begin: () => undefined,
      operation: (_actor, _op, word, writes) => {
        // Words are told from entries by their sign.
        this.note(word >= entriesFrom ? -(word >> 1) : word, writes);
      },
      lo: 0,
      hi: 0,
    };
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    this.actors = actors;
    this.nodes = [];
    this.lastWrite.clear();
    this.reads.clear();
    this.inner.begin(actors, schedule);
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    return this.inner.pick(enabled, count, current);
  }

  step(actor: number): void {
    this.nodes.push({ actor, free: this.actors[actor]!.boundary !== Boundary.None, after: [] });
    this.inner.step?.(actor);
  }

  private note(place: number, writes: boolean): void {
    const at = this.nodes.length - 1;
    const { actor, after } = this.nodes[at]!;
    const add = (before: number | undefined): void => {
      if (before !== undefined && this.nodes[before]!.actor !== actor) after.push(before);
    };
    add(this.lastWrite.get(place));
    if (writes) {
      for (const read of this.reads.get(place) ?? []) add(read);
      this.lastWrite.set(place, at);
      this.reads.delete(place);
    } else {
      const readers = this.reads.get(place);
      if (readers === undefined) this.reads.set(place, [at]);
      else readers.push(at);
    }
  }

  end(decisions: number, steps: number, failed: boolean): void {
    this.inner.end?.(decisions, steps, failed);
  }
}

/** An order of the same steps that respects what they depend on, as segments. */
export function linearise(nodes: readonly Node[], actors: number): readonly Segment[] {
  const own = Array.from({ length: actors }, (): number[] => []);
  nodes.forEach(({ actor }, place) => own[actor]!.push(place));
  const done = new Uint8Array(nodes.length);
  const at = new Int32Array(actors);
  const ready = (place: number): boolean => nodes[place]!.after.every((before) => done[before] === 1);
  const segments: Segment[] = [];
  let last = -1;
  for (let left = nodes.length; left > 0;) {
    let best = { actor: -1, end: 0, free: false };
    for (let actor = 0; actor < actors; actor++) {
      const mine = own[actor]!;
      let end = at[actor]!;
      while (end < mine.length && ready(mine[end]!)) end++;
      if (end === at[actor]) continue;
      const free = end === mine.length || nodes[mine[end]!]!.free;
      const longer = end - at[actor]! > best.end - (best.actor < 0 ? 0 : at[best.actor]!);
      if (best.actor < 0 || (free && !best.free) || (free === best.free && longer))
        best = { actor, end, free };
    }
    const { actor, end } = best;
    for (const place of own[actor]!.slice(at[actor], end)) done[place] = 1;
    left -= end - at[actor]!;
    at[actor] = end;
    if (actor === last) segments.pop();
    segments.push({ actor, until: end, preempted: false });
    last = actor;
  }
  return segments;
}
