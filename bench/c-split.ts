/** The C side: compiles bench/c/split.c into a folder and talks to it over a pipe. */
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Layout } from '../src/arena/layout.ts';
import type { Machine } from '../src/scenario/build.ts';
import type { Subject } from './subject.ts';

/** Compiles; undefined if there is no gcc. */
export function compileC(folder: string): string | undefined {
  const out = join(folder, 'split');
  const source = fileURLToPath(new URL('./c/split.c', import.meta.url));
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  execFileSync('gcc', ['-O2', '-Wall', '-Wextra', '-o', out, source], { stdio: 'inherit' });
  return out;
}

/** Where things lie, so that the C program writes the same words. */
function layoutArguments(machine: Machine, layout: Layout): number[] {
  const slot = layout.slots[1]!;
  const config = machine.config.slots[1]!;
  const desc = layout.splitCaches;
  const header = desc + 1 + layout.dims.caches.splitDesc;
  const table = header + 1 + layout.dims.caches.objects;
  return [
    layout.words,
    layout.kvm,
    layout.pools,
    layout.hash,
    layout.dims.hashBits,
    layout.headers,
    layout.tableOwner,
    layout.tables,
    slot.rmap[1],
    slot.rmap[2],
    slot.rmap[3],
    desc,
    header,
    table,
    config.baseGfn,
    config.basePfn,
    layout.dims.pfns,
  ];
}

/** Starts the program on a machine's layout; `hot` restores the machine after each batch. */
export function startC(program: string, machine: Machine, layout: Layout, mode: 'hot' | 'cold'): Subject {
  const { backing, npages } = machine.config.slots[1]!;
  const args = [...layoutArguments(machine, layout), mode, backing, npages].map(String);
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.resolve(line));
  child.on('exit', (code, signal) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`${program} ended with ${code ?? signal}`));
  });
  return {
    name: 'C (gcc -O2)',
    async run(batches) {
      const line = await new Promise<string>((resolve, reject) => {
        waiting.push({ resolve, reject });
        child.stdin.write(`${batches}\n`);
      });
      const [ns, units] = line.split(' ').map(Number);
      return { ns: ns!, units: units! };
    },
    async close() {
      child.stdin.end();
      await Promise.resolve();
    },
  };
}
