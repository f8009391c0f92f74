/**
 * A view of an arena that tells of every plain access through it. Slow, as each access of the words goes through a Proxy: for
 * looking whether what actors do between visible operations is their own business (explore/exhaustive/plain-races.ts).
 */
import type { Arena } from './arena.ts';

/** Told of plain accesses, before they happen. */
export interface PlainWatch {
  /** The bits of `mask` are read. */
  read(word: number, mask: number): void;
  write(word: number): void;
  /** Added to as a tally: see Arena.tally. */
  tally(word: number): void;
}

/** Array indices come to a Proxy as strings. */
const indexOf = (key: string | symbol): number => (typeof key === 'string' ? Number(key) : Number.NaN);

function watchedWords(w: Int32Array, watch: PlainWatch): Int32Array {
  const fill = (value: number, from: number, to: number): void => {
    for (let word = from; word < to; word++) watch.write(word);
    w.fill(value, from, to);
  };
  return new Proxy(w, {
    get(_, key) {
      const word = indexOf(key);
      if (Number.isInteger(word)) {
        watch.read(word, -1);
        return w[word];
      }
      if (key === 'fill') return fill;
      if (key === 'length') return w.length;
      throw new Error(`${String(key)} of the words is not watched`);
    },
    set(_, key, value: number) {
      const word = indexOf(key);
      watch.write(word);
      w[word] = value;
      return true;
    },
  });
}

/** The same memory, marks and boot image as `arena`; only what goes through this view is told of. */
export function watchedArena(arena: Arena, watch: PlainWatch): Arena {
  const own: Pick<Arena, 'put' | 'bits' | 'tally' | 'touch' | 'touchRange'> = {
    put(word, value) {
      watch.write(word);
      arena.put(word, value);
    },
    bits(word, mask) {
      watch.read(word, mask);
      return arena.bits(word, mask);
    },
    tally(word, by) {
      watch.tally(word);
      arena.tally(word, by);
    },
    touch: (word) => arena.touch(word),
    touchRange: (word, words) => arena.touchRange(word, words),
  };
  return Object.create(arena, {
    ...Object.getOwnPropertyDescriptors(own),
    w: { value: watchedWords(arena.w, watch) },
  }) as Arena;
}
