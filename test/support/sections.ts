/** Actors that enter critical sections of a qrwlock, and a log of who was inside with whom. */
import type { Arena } from '../../src/arena/arena.ts';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { Op, type Steps } from '../../src/cpu/steps.ts';
import { readLock, readUnlock, type QRwLockWords } from '../../src/locks/qrwlock.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { fewWords, type Body } from './programs.ts';

export class Sections {
  readonly lock: QRwLockWords;
  readonly engine: Engine;
  readonly scratch: number;
  /** Who is inside, and how. */
  inside: { readonly actor: number; readonly write: boolean }[] = [];
  /** Actors in the order in which they got in. */
  order: number[] = [];
  /** Entries and exits. */
  entered = 0;
  /** Times somebody got in beside a writer, or a writer beside anybody. */
  overlaps = 0;
  mostReaders = 0;

  constructor(lock: QRwLockWords, engine: Engine, scratch: number) {
    this.lock = lock;
    this.engine = engine;
    this.scratch = scratch;
  }

  clear(): void {
    this.inside = [];
    this.order = [];
    this.entered = 0;
    this.overlaps = 0;
  }

  enter(actor: number, write: boolean): void {
    this.entered++;
    this.order.push(actor);
    if (this.inside.some((other) => write || other.write)) this.overlaps++;
    this.inside.push({ actor, write });
    if (!write) this.mostReaders = Math.max(this.mostReaders, this.inside.length);
  }

  leave(actor: number): void {
    this.inside = this.inside.filter((one) => one.actor !== actor);
  }
}

export function lockWords(engine: Engine = P1_ENGINE): {
  readonly arena: Arena;
  readonly lock: QRwLockWords;
  readonly sections: Sections;
} {
  const { arena, base } = fewWords();
  const lock = { cnts: base, waitLock: base + 1, owner: base + 2 };
  return { arena, lock, sections: new Sections(lock, engine, base + 4) };
}

/** Two visible operations, so that others can come in between if the lock lets them. */
function* work(cpu: Cpu, word: number): Steps<void> {
  for (let i = 0; i < 2; i++) {
    yield cpu.at(Op.Load, word);
    cpu.load(word);
  }
}

export const writer = (sections: Sections, times = 1): Body =>
  function* (cpu) {
    for (let i = 0; i < times; i++) {
      yield* sections.engine.writeLock(cpu, sections.lock);
      sections.enter(cpu.actor, true);
      yield* work(cpu, sections.scratch);
      sections.leave(cpu.actor);
      yield* sections.engine.writeUnlock(cpu, sections.lock);
    }
  };

export const reader = (sections: Sections, times = 1): Body =>
  function* (cpu) {
    for (let i = 0; i < times; i++) {
      yield* readLock(cpu, sections.lock);
      sections.enter(cpu.actor, false);
      yield* work(cpu, sections.scratch);
      sections.leave(cpu.actor);
      yield* readUnlock(cpu, sections.lock);
    }
  };
