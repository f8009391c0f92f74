/** Reading block coverage and profiles for scripts/check-activity.ts. */
import type { Profiler } from 'node:inspector/promises';

export interface Activity {
  readonly schedules: number;
  readonly variant: string;
  /** By invariant: how often control came to the decision whether to report, at the busiest place that reports it. */
  readonly looked: Record<string, number>;
  /** By invariant: the files that report it. */
  readonly files: Record<string, string[]>;
  /** By file of checks: its part of a run with all checks on, with what it calls, in percent. */
  shares: Record<string, number>;
}

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
  /** The function it belongs to, and whether it is the whole of it. */
  readonly name: string;
  readonly whole: boolean;
}

const LITERAL = /["'`]([QD]\d+)["'`]/g;
const LIST = /(ids|facts|caughtBy|expected):\s*\[?[^\]]*$/;

/** Innermost first. */
function around(ranges: readonly Range[], at: number): Range[] {
  return ranges
    .filter((range) => range.startOffset <= at && at < range.endOffset)
    .sort((a, b) => a.endOffset - a.startOffset - (b.endOffset - b.startOffset));
}

/**
 * How often control came to the decision that leads to `at`: the report itself is never reached in a clean run, so the
 * innermost block that ran tells. A function that was never called is judged by the places that call it.
 */
function decisions(source: string, ranges: readonly Range[], at: number, depth = 0): number {
  const enclosing = around(ranges, at);
  const whole = enclosing.find((range) => range.whole);
  if (whole === undefined || whole.count > 0 || depth > 3)
    return enclosing.find((range) => range.count > 0 && range !== enclosing.at(-1))?.count ?? 0;
  if (whole.name === '') return 0;
  const calls = [...source.matchAll(new RegExp(`\\b${whole.name}\\(`, 'g'))].map((match) => match.index);
  return Math.max(
    0,
    ...calls
      .filter((call) => call < whole.startOffset || call >= whole.endOffset)
      .map((call) => decisions(source, ranges, call, depth + 1)),
  );
}

/** Adds what one file reports. */
export function addReportSites(
  activity: Activity,
  file: string,
  source: string,
  coverage: Profiler.ScriptCoverage,
): void {
  const ranges = coverage.functions.flatMap(({ functionName, ranges: list }) =>
    list.map((range, i): Range => ({ ...range, name: functionName, whole: i === 0 })),
  );
  for (const match of source.matchAll(LITERAL)) {
    const id = match[1]!;
    const at = match.index;
    if (file.startsWith('src/check/invariants/') || LIST.test(source.slice(Math.max(0, at - 120), at)))
      continue;
    const files = (activity.files[id] ??= []);
    if (!files.includes(file)) files.push(file);
    activity.looked[id] = Math.max(activity.looked[id] ?? 0, decisions(source, ranges, at));
  }
}

/** The part of the time inside ControlledRuntime.run() that goes to each file of src/check, with what it calls. */
export function inclusiveShares(profile: Profiler.Profile): Record<string, number> {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(
    profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])),
  );
  const keys = new Map<number, string>();
  const keyOf = (id: number): string => {
    const known = keys.get(id);
    if (known !== undefined) return known;
    const frames: Profiler.ProfileNode['callFrame'][] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at))
      frames.push(nodes.get(at)!.callFrame);
    const inside = frames.some(
      ({ url, functionName }) => url.endsWith('runtime/controlled.ts') && functionName === 'run',
    );
    // From the outside in: the first file of checks that is no machinery pays for what it calls.
    const check = frames
      .reverse()
      .map(({ url }) => /src\/check\/[\w-]+\.ts$/.exec(url)?.[0])
      .find((file) => file !== undefined && !/\/(judge|fan-out|run-checks)\.ts$/.test(file));
    const machinery = frames.some(({ url }) => /\/check\/(judge|fan-out|run-checks)\.ts$/.test(url));
    const key = inside ? (check ?? (machinery ? 'src/check/judge.ts' : 'the model')) : '';
    keys.set(id, key);
    return key;
  };
  const times = new Map<string, number>();
  let total = 0;
  profile.samples?.forEach((id, i) => {
    const key = keyOf(id);
    if (key === '') return;
    const time = profile.timeDeltas?.[i] ?? 0;
    total += time;
    times.set(key, (times.get(key) ?? 0) + time);
  });
  return Object.fromEntries(
    [...times]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, time]) => [key, Math.round((time / total) * 1000) / 10]),
  );
}
