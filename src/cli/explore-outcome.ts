/** What `explore` reports of a search: its Outcome, and the progress line while it is under way. */
import { controlledStatistics } from '../campaign/controlled-statistics.ts';
import { checkIds, type OutcomeParts } from '../campaign/outcome.ts';
import type { SearchProgress, SearchResult } from '../campaign/search.ts';
import { tokenOf } from '../campaign/tokens.ts';
import { ALL_STATE_CHECKS, ALL_STEP_CHECKS } from '../check/all.ts';
import { parseStrategy, STRATEGIES, strategyText, type ChosenStrategy } from '../explore/strategies/index.ts';
import type { ProgressState } from '../report/progress.ts';
import { formatCount, formatShare, plural } from '../report/text.ts';
import type { Violation } from '../runtime/outcome.ts';
import type { Budget } from './explore-budget.ts';
import { reproduceCommand, type Chosen } from './scenario-options.ts';
import { replayArgument, searchArgument } from './strategy-option.ts';

/** Failures that are written down; the rest is counted. */
const MAX_LISTED = 50;

export function progressState(
  label: string,
  { schedules, failures, elapsedMs, unseen }: SearchProgress,
  budget: Pick<Budget, 'schedules' | 'from' | 'durationMs'>,
): ProgressState {
  const bySchedules = schedules / budget.schedules;
  const byTime = budget.durationMs === undefined ? 0 : elapsedMs / budget.durationMs;
  const fraction = Math.min(1, Math.max(bySchedules, byTime));
  return {
    label,
    elapsedMs,
    fraction,
    remainingMs: fraction === 0 ? null : elapsedMs / fraction - elapsedMs,
    figures: [
      ['schedules', schedules],
      ['/s', Math.round((schedules / Math.max(1, elapsedMs)) * 1000)],
      ...(unseen === undefined ? [] : [['covered %', Math.floor((1 - unseen) * 100)] as const]),
    ],
    violations: failures,
  };
}

/** The different failures, each once, where it came up first. */
function violationsOf(result: SearchResult): Violation[] {
  return result.distinct.slice(0, MAX_LISTED).map(({ first, count }) => {
    const more = count === 1 ? '' : ` (and ${plural(count - 1, 'more schedule')} like it)`;
    return { ...first.violation, text: `schedule ${first.schedule}: ${first.violation.text}${more}` };
  });
}

function caveatsOf(result: SearchResult): string[] {
  const caveats = Object.entries(result.byCheck).map(
    ([id, count]) =>
      `${id} was broken in ${formatCount(count)} of ${formatCount(result.schedules)} schedules`,
  );
  if (result.distinct.length > MAX_LISTED)
    caveats.push(`${formatCount(result.distinct.length - MAX_LISTED)} more kinds of failures are not listed`);
  if (result.truncated > 0)
    caveats.push(`${plural(result.truncated, 'schedule')} were cut off at the step limit`);
  if (result.ended === 'covered' && result.coverage !== undefined)
    caveats.push(
      `ended because the next schedule is a known one with probability ${formatShare(1 - result.coverage.behaviours.nextIsNew)}`,
    );
  for (const difference of result.differences) caveats.push(`determinism is broken: ${difference}`);
  if (result.diverged.length > result.differences.length)
    caveats.push(
      `determinism is broken in ${formatCount(result.diverged.length)} schedules; the first are told`,
    );
  if (result.error !== undefined) caveats.push(`the harness failed in ${result.error.split('\n')[0]}`);
  return caveats;
}

export function exploreOutcome(
  result: SearchResult,
  chosen: Chosen,
  strategy: ChosenStrategy,
  budget: Pick<Budget, 'schedules' | 'from' | 'durationMs'>,
): Omit<OutcomeParts, 'version' | 'interrupted'> {
  const violations = violationsOf(result);
  const first = result.failures[0];
  const shipped = first !== undefined && STRATEGIES.some(({ name }) => name === first.strategy.split(':')[0]);
  const token =
    first === undefined || !shipped
      ? undefined
      : tokenOf({
          ...chosen,
          idle: new Set(),
          plan: { strategy: parseStrategy(first.strategy), excerpt: first.excerpt },
          schedule: first.schedule,
          steps: first.steps,
          hash: first.hash,
        });
  return {
    kind: 'explore',
    scenario: chosen.scenario,
    machine: chosen.machine,
    variants: chosen.variants,
    seed: chosen.seed,
    mode: 'controlled',
    threads: 1,
    traceHash: result.hash,
    reproduce: reproduceOf(result, chosen, strategy, budget, token),
    token,
    durationMs: result.elapsedMs,
    exploration: {
      strategy: strategyText(strategy),
      schedules: result.schedules,
      steps: result.steps,
      truncated: result.truncated,
      workers: result.workers,
      failing: result.failing,
      ended: result.interrupted ? 'stopped' : result.ended,
      ...(result.dealt.length === 0 ? {} : { dealt: [...result.dealt] }),
      ...(result.coverage === undefined ? {} : { coverage: structuredClone(result.coverage) }),
    },
    violations,
    checksRan: checkIds([...ALL_STATE_CHECKS, ...ALL_STEP_CHECKS]),
    inspections: result.schedules,
    statistics: controlledStatistics(
      result.runtime,
      result.steps,
      violations.map((violation) => violation.id),
    ),
    actors: result.runtime.cpus.map((cpu) => ({ name: cpu.name, class: cpu.cls, status: 'done' })),
    caveats: caveatsOf(result),
    failed: result.diverged.length > 0 || result.error !== undefined,
    inconclusive: result.schedules === 0,
  };
}

function reproduceOf(
  result: SearchResult,
  chosen: Chosen,
  strategy: ChosenStrategy,
  budget: Pick<Budget, 'schedules' | 'from' | 'durationMs'>,
  token: string | undefined,
): string {
  if (token !== undefined) return `npx splitstorm replay ${token}`;
  const first = result.failures[0];
  if (first === undefined) {
    const run = [`--from ${budget.from}`, `--schedules ${Math.max(1, result.schedules)}`];
    return reproduceCommand('explore', chosen, [...searchArgument(strategyText(strategy)), ...run]);
  }
  return reproduceCommand('replay', chosen, [
    ...replayArgument(first.strategy),
    `--schedule ${first.schedule}`,
  ]);
}
