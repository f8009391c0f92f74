/** A runner whose runs are looked at for plain accesses that race (plain-races.ts), whoever schedules them. */
import type { PlainWatch } from '../../arena/watched.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import type { OpListener, RunLog } from '../../cpu/plain-cpu.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import type { Runner, RunResult } from '../runner.ts';
import { PlainRaces, type PlainRace } from './plain-races.ts';

export class WatchedRunner implements Runner {
  /** Runs that were looked at. */
  watched = 0;
  private readonly inner: Runner;
  private readonly onRace: (race: PlainRace) => void;
  private races: PlainRaces | undefined;

  /**
   * @param make makes the runner, which tells `watch` of every plain access
   * @param onRace told of what is found, after each run
   */
  constructor(make: (watch: PlainWatch) => Runner, onRace: (race: PlainRace) => void) {
    this.onRace = onRace;
    this.inner = make({
      read: (word, mask) => this.races?.read(word, mask),
      write: (word) => this.races?.write(word),
      tally: (word) => this.races?.tally(word),
    });
  }

  run(scheduler: Scheduler, master: number, schedule: number, listener?: OpListener): RunResult {
    const races = new PlainRaces(scheduler, listener, this.cpus.length, this.memory);
    this.races = races;
    try {
      return this.inner.run(races, master, schedule, races);
    } finally {
      this.races = undefined;
      this.watched++;
      races.found.forEach(this.onRace);
    }
  }

  get cpus(): readonly Cpu[] {
    return this.inner.cpus;
  }

  get memory(): Int32Array {
    return this.inner.memory;
  }

  get log(): RunLog {
    return this.inner.log;
  }

  get kept(): Runner['kept'] {
    return this.inner.kept;
  }

  set kept(moves: Runner['kept']) {
    this.inner.kept = moves;
  }

  get entriesFrom(): number {
    return this.inner.entriesFrom;
  }

  get maxSteps(): number {
    return this.inner.maxSteps;
  }

  set maxSteps(steps: number) {
    this.inner.maxSteps = steps;
  }

  get idle(): ReadonlySet<number> {
    return this.inner.idle;
  }

  set idle(actors: ReadonlySet<number>) {
    this.inner.idle = actors;
  }

  mayIdle(actor: number): boolean {
    return this.inner.mayIdle(actor);
  }

  stateHash(): number {
    return this.inner.stateHash();
  }
}
