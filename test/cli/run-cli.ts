/** Runs the program as a user would. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../bin/splitstorm.js', import.meta.url));

export interface CliResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Written to standard input, which then ends. */
  readonly input?: string;
  /** Sends SIGINT after each of these many milliseconds. */
  readonly interruptAfterMs?: readonly number[];
  /** Sends another SIGINT as soon as this text has appeared on standard error. */
  readonly interruptAgainOn?: string;
}

export function cli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { NO_COLOR: _n, FORCE_COLOR: _f, ...env } = process.env;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BIN, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...env, ...options.env },
    });
    child.stdin.on('error', () => {
      // It ended without reading all of it.
    });
    child.stdin.end(options.input ?? '');
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    let again = options.interruptAgainOn;
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      if (again !== undefined && stderr.includes(again)) {
        again = undefined;
        child.kill('SIGINT');
      }
    });
    const timers = (options.interruptAfterMs ?? []).map((ms) => setTimeout(() => child.kill('SIGINT'), ms));
    child.on('error', reject);
    child.on('close', (status) => {
      for (const timer of timers) clearTimeout(timer);
      resolve({ status, stdout, stderr });
    });
  });
}
