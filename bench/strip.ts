/**
 * The same engine without suspension points, made mechanically from the source: generators become functions, `yield*`
 * becomes a call, and announcements go. Both sides of the comparison are therefore always the same algorithm.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const SOURCE = fileURLToPath(new URL('../src/', import.meta.url));
/** Inside the project, so that packages resolve; ignored by git. */
const TARGET = fileURLToPath(new URL('../node_modules/.cache/splitstorm-bench/', import.meta.url));
/** The layers an actor runs through. */
const LAYERS = ['arena', 'cpu', 'locks', 'mmu'];

export function stripSuspensions(text: string, path: string): string {
  const out = text
    .replaceAll(/if \([^()]*\bcpu\.stepped && cpu\.stops\([^;]*\)\) yield;/g, '')
    .replaceAll(/\byield\* /g, '')
    .replaceAll(/\bfunction\* ?/g, 'function ')
    .replaceAll(/^(\s+)\*(\w+)\(/gm, '$1$2(')
    .replaceAll(/\bSteps<([\w |]+)>/g, '$1');
  const code = out.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  const left = /.*(?:\byield\b|\bfunction\s*\*).*/.exec(code);
  if (left !== null) throw new Error(`${path}: a suspension point of unknown form: ${left[0].trim()}`);
  return out;
}

/** Writes the transformed tree and returns its URL. */
export function writeStrippedTree(): string {
  rmSync(TARGET, { recursive: true, force: true });
  for (const layer of LAYERS) {
    for (const name of readdirSync(join(SOURCE, layer), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue;
      const path = join(layer, name);
      const target = join(TARGET, 'src', path);
      mkdirSync(dirname(target), { recursive: true });
      const text = readFileSync(join(SOURCE, path), 'utf8');
      writeFileSync(target, path === join('cpu', 'steps.ts') ? text : stripSuspensions(text, path));
    }
  }
  writeFileSync(join(TARGET, 'package.json'), '{ "type": "module" }\n');
  return pathToFileURL(join(TARGET, 'src/')).href;
}
