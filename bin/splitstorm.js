#!/usr/bin/env node
// A clone has src/ and runs it through tsx, so that an old dist/ is never what runs;
// the published package has no src/ and runs the compiled dist/.
import { existsSync } from 'node:fs';

const source = new URL('../src/cli/main.ts', import.meta.url);
const built = new URL('../dist/src/cli/main.js', import.meta.url);

function fail(message) {
  process.stderr.write(`splitstorm: ${message}\n`);
  process.exit(3);
}

async function start(url) {
  const { runProcess } = await import(url.href);
  await runProcess();
}

if (existsSync(source)) {
  let tsx;
  try {
    tsx = await import('tsx/esm/api');
  } catch (error) {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    fail('dependencies are not installed; run "npm ci" first');
  }
  tsx.register();
  await start(source);
} else if (existsSync(built)) {
  await start(built);
} else {
  fail('neither src/cli/main.ts nor dist/src/cli/main.js was found; the installation is incomplete');
}
