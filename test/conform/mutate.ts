/** Every single value of a recording, and the recording with that value changed. */
import type { Recording } from '../../src/conform/recording.ts';

export type Path = ReadonlyArray<string | number>;

/** What a comparison has no reason to look at: times, texts, inputs, and ids, which mean nothing by themselves. */
const NO_RESULT = [
  /^(name|description|format|kernel|cpu|setup)\b/,
  /^events\.\d+\.(t|t_end|op|task)$/,
  // The inputs of an operation, and totals of what the scheduler wanted.
  /^operations\.\d+\.(op|type|id|name|table_gpa|root|mapping|mode|vcpu|access|address|count|stride|tag|slot|value|flags|first_page|num_pages|word_mask)$/,
  // The id of a new table; its gfn and role say what it is.
  /^events\.\d+\.sp$/,
  /^operations\.\d+\.counts\.lock_yields_(read|write)$/,
];

export function* leaves(value: unknown, path: Path = []): Generator<Path> {
  if (typeof value === 'object' && value !== null)
    for (const [key, part] of Object.entries(value))
      yield* leaves(part, [...path, Array.isArray(value) ? Number(key) : key]);
  else yield path;
}

export const isResult = (path: Path): boolean => !NO_RESULT.some((pattern) => pattern.test(path.join('.')));

function changed(value: unknown, name: string | number): unknown {
  if (name === 'flush') return value === 0 ? 1 : 0;
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean') return !value;
  const text = String(value);
  // Hex of an SPTE: another bit; of something shorter: the next; any other text: another text.
  if (/^[0-9a-f]{6,16}$/.test(text)) return (BigInt(`0x${text}`) ^ 0x40n).toString(16);
  return /^[0-9a-f]+$/.test(text) ? (BigInt(`0x${text}`) + 1n).toString(16) : `${text}x`;
}

/** A copy in which one value is another. */
export function mutate(recording: Recording, path: Path): Recording {
  const copy = structuredClone(recording);
  let at = copy as unknown as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as typeof at;
  const last = path.at(-1)!;
  at[last] = changed(at[last], last);
  return copy;
}
