/** Where a command's results go: report and JSON on standard output or a file, progress on standard error. */
import { closeSync, existsSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { toJson } from '../report/json.ts';
import type { Outcome } from '../report/schema.ts';
import { decideColor } from '../report/color.ts';
import { ProgressWriter } from '../report/progress.ts';
import { renderReport, verdictLine } from '../report/terminal.ts';
import { textOption, UsageError } from './usage.ts';

const PIPE_WIDTH = 100;

export class Output {
  readonly width: number;
  readonly color: boolean;
  readonly progress: ProgressWriter;
  private readonly json: string | undefined;
  private readonly quiet: boolean;

  /** @throws UsageError if the JSON file cannot be written: now, not after the run */
  constructor(args: Readonly<Record<string, unknown>>) {
    this.json = textOption(args, 'json');
    this.quiet = args['quiet'] === true;
    this.width = process.stdout.columns ?? PIPE_WIDTH;
    this.color = decideColor(process.stdout, process.env);
    this.progress = new ProgressWriter({
      stream: process.stderr,
      quiet: this.quiet,
      now: () => performance.now(),
    });
    if (this.json !== undefined && this.json !== '-') checkWritable(this.json, 'json');
  }

  /** Writes what the user asked for; the report unless it is quiet or the JSON has standard output to itself. */
  finish(outcome: Outcome, render = renderReport): void {
    this.progress.clear();
    if (this.json === '-') process.stdout.write(toJson(outcome));
    else {
      if (this.json !== undefined) writeFileSync(this.json, toJson(outcome));
      if (this.quiet && outcome.verdict !== 'clean')
        process.stderr.write(`splitstorm: ${verdictLine(outcome)}\n`);
      if (!this.quiet) process.stdout.write(render(outcome, { width: this.width, color: this.color }));
    }
  }

  /** Writes a result of another form than an outcome: as JSON where that was asked for, and as a report unless quiet. */
  write(
    json: () => unknown,
    report: (options: { readonly width: number; readonly color: boolean }) => string,
    failure?: string,
  ): void {
    this.progress.clear();
    const document = (): string => `${JSON.stringify(json(), null, 2)}\n`;
    if (this.json === '-') {
      process.stdout.write(document());
      return;
    }
    if (this.json !== undefined) writeFileSync(this.json, document());
    if (!this.quiet) process.stdout.write(report({ width: this.width, color: this.color }));
    else if (failure !== undefined) process.stderr.write(`splitstorm: ${failure}\n`);
  }

  /** A remark that is no part of the report. */
  note(text: string): void {
    if (!this.quiet) process.stderr.write(`splitstorm: ${text}\n`);
  }

  line(text: string): void {
    if (!this.quiet && this.json !== '-') process.stdout.write(`${text}\n`);
  }
}

/** @throws UsageError if a file cannot be written: now, not after the run */
export function checkWritable(path: string, option: string): void {
  const existed = existsSync(path);
  try {
    const fd = openSync(path, 'a');
    writeSync(fd, '');
    closeSync(fd);
  } catch (error) {
    throw new UsageError(`--${option}: ${path} cannot be written: ${(error as Error).message}`);
  }
  if (!existed) rmSync(path);
}

/** Ctrl-C: the first asks for an orderly end, the second leaves at once. */
export function interruptible(onFirst: () => void): {
  readonly signal: AbortSignal;
  readonly dispose: () => void;
} {
  const controller = new AbortController();
  const handler = (): void => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write('\nsplitstorm: ending; once more leaves at once\n');
    onFirst();
    controller.abort();
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  return {
    signal: controller.signal,
    dispose: () => {
      process.off('SIGINT', handler);
      process.off('SIGTERM', handler);
    },
  };
}

/** A seed for a run that was given none: eight hexadecimal digits. */
export function drawSeed(): string {
  return Math.floor(Math.random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0');
}
