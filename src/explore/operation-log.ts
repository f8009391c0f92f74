/**
 * The operations of a run, kept so that a replay on changed code can stop at the first that differs and say what was
 * expected. Of each step: actor, kind, word, and twelve bits of the rolling hash after it, which also covers the value. The
 * whole hash is kept for every 64th step and the last.
 */
import type { Cpu } from '../cpu/cpu.ts';
import type { OpListener, RunLog } from '../cpu/plain-cpu.ts';

/** Steps between two full hashes. */
export const BLOCK = 64;
/** Runs longer than this are logged up to here, and by their hashes alone from there on. */
export const MAX_LOGGED = 100_000;

/** One step as it is logged. */
export interface LoggedStep {
  readonly actor: number;
  readonly op: number;
  readonly word: number;
  /** The low twelve bits of the rolling hash after the step. */
  readonly check: number;
}

export interface OperationLog {
  readonly steps: readonly LoggedStep[];
  /** The rolling hash after step 64, 128, ... and after the last one, as unsigned 32-bit integers. */
  readonly blocks: readonly number[];
}

const CHECK_BITS = 0xfff;

/** Writes the log of a run. */
export class OperationRecorder implements OpListener {
  readonly steps: LoggedStep[] = [];
  private readonly hashes: number[] = [];
  private readonly log: RunLog;

  /** @param log the run's own, which has the hash */
  constructor(log: RunLog) {
    this.log = log;
  }

  operation(cpu: Cpu, op: number, word: number): void {
    const { hash, steps } = this.log;
    if (this.steps.length < MAX_LOGGED)
      this.steps.push({ actor: cpu.actor, op, word, check: hash & CHECK_BITS });
    if (steps % BLOCK === 0) this.hashes.push(hash >>> 0);
  }

  /** The log so far; the run has ended. */
  finish(): OperationLog {
    const { hash, steps } = this.log;
    return {
      steps: this.steps,
      blocks: steps % BLOCK === 0 ? [...this.hashes] : [...this.hashes, hash >>> 0],
    };
  }
}

/** The first step at which a run differs from its log. */
export interface Difference {
  /** Counted from 1. */
  readonly step: number;
  /** What the log has there; undefined where the log has ended or keeps hashes alone. */
  readonly expected: LoggedStep | undefined;
  readonly actual: LoggedStep | undefined;
  /** Where the log keeps hashes alone: the difference is somewhere in the block that ends here. */
  readonly inBlock: boolean;
}

/** Thrown from inside a run to stop it where it differs. */
export class Diverged extends Error {
  override readonly name = 'Diverged';
  readonly difference: Difference;

  constructor(difference: Difference) {
    super(`step ${difference.step} differs`);
    this.difference = difference;
  }
}

/** Compares a run with a log and throws Diverged at the first step that differs. */
export class OperationComparer implements OpListener {
  private readonly expected: OperationLog;
  private readonly total: number;
  private readonly log: RunLog;

  /** @param total steps that the logged run had */
  constructor(expected: OperationLog, total: number, log: RunLog) {
    this.expected = expected;
    this.total = total;
    this.log = log;
  }

  operation(cpu: Cpu, op: number, word: number): void {
    const { hash, steps } = this.log;
    const actual: LoggedStep = { actor: cpu.actor, op, word, check: hash & CHECK_BITS };
    const expected = this.expected.steps[steps - 1];
    const logged = steps <= Math.min(this.total, MAX_LOGGED);
    if (steps > this.total || (logged && !equal(expected, actual)))
      throw new Diverged({ step: steps, expected, actual, inBlock: false });
    if (steps % BLOCK === 0 && this.expected.blocks[steps / BLOCK - 1] !== hash >>> 0)
      throw new Diverged({ step: steps, expected: undefined, actual, inBlock: true });
  }

  /** Called when the run has ended. @throws Diverged if it was shorter or its last hash is another */
  end(): void {
    const { hash, steps } = this.log;
    if (steps < this.total) {
      const expected = this.expected.steps[steps];
      throw new Diverged({ step: steps + 1, expected, actual: undefined, inBlock: false });
    }
    if (this.expected.blocks[Math.ceil(steps / BLOCK) - 1] !== hash >>> 0 && steps > 0)
      throw new Diverged({ step: steps, expected: undefined, actual: undefined, inBlock: true });
  }
}

const equal = (a: LoggedStep | undefined, b: LoggedStep): boolean =>
  a !== undefined && a.actor === b.actor && a.op === b.op && a.word === b.word && a.check === b.check;
