/** Runs the program: in this process where what it prints is in question, in one of its own where the process is. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inject, onTestFinished, vi } from 'vitest';
import { runCli } from '../../src/cli/main.ts';

export interface CliResult {
  /** Null if a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a process of the program is started from. */
export const BINS = {
  /** Sources, as in a clone. */
  clone: fileURLToPath(new URL('../../bin/splitstorm.js', import.meta.url)),
  /** Compiled, as published. */
  package: join(inject('program'), 'bin', 'splitstorm.js'),
} as const;

/** Variables that would colour the output. */
const COLOR_VARIABLES = ['NO_COLOR', 'FORCE_COLOR'] as const;

/** Runs a command in this process. */
export async function cli(args: readonly string[]): Promise<CliResult> {
  const written = { stdout: '', stderr: '' };
  const take =
    (name: 'stdout' | 'stderr') =>
    (text: unknown): true => {
      written[name] += String(text);
      return true;
    };
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(take('stdout')),
    vi.spyOn(process.stderr, 'write').mockImplementation(take('stderr')),
    vi.spyOn(console, 'log').mockImplementation((text: unknown) => void take('stdout')(`${String(text)}\n`)),
    vi
      .spyOn(console, 'error')
      .mockImplementation((text: unknown) => void take('stderr')(`${String(text)}\n`)),
  ];
  for (const name of COLOR_VARIABLES) vi.stubEnv(name, undefined);
  try {
    return { status: await runCli(args), ...written };
  } finally {
    vi.unstubAllEnvs();
    for (const spy of spies) spy.mockRestore();
  }
}

export interface ProcessOptions {
  /** The published package unless it says otherwise. */
  readonly from?: keyof typeof BINS;
  readonly env?: Readonly<Record<string, string>>;
  /** Written to standard input, which then ends. */
  readonly input?: string;
  /** Standard error is taken for a terminal. */
  readonly terminal?: boolean;
  /** Sends SIGINT when the first of these texts has appeared on standard error, and again for each further one after it. */
  readonly interruptOn?: readonly string[];
}

/** Runs a command in a process of its own, as a user would; only within a test. */
export function cliProcess(args: readonly string[], options: ProcessOptions = {}): Promise<CliResult> {
  const { NO_COLOR: _n, FORCE_COLOR: _f, ...env } = process.env;
  const terminal = new URL('../support/terminal.mjs', import.meta.url).href;
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        ...(options.terminal === true ? ['--import', terminal] : []),
        BINS[options.from ?? 'package'],
        ...args,
      ],
      { stdio: ['pipe', 'pipe', 'pipe'], env: { ...env, ...options.env } },
    );
    // It outlives no test, not even one whose time is up.
    onTestFinished(() => void child.kill('SIGKILL'));
    child.stdin.on('error', () => {
      // It ended without reading all of it.
    });
    child.stdin.end(options.input ?? '');
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    const awaited = [...(options.interruptOn ?? [])];
    let from = 0;
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      const [text] = awaited;
      if (text === undefined || !stderr.slice(from).includes(text)) return;
      awaited.shift();
      from = stderr.length;
      child.kill('SIGINT');
    });
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}
