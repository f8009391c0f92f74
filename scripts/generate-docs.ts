/**
 * Writes docs/checks.md from the invariants in src/check, and the list of those that are not checked yet.
 *
 *     node --import tsx scripts/generate-docs.ts
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { checksDocument } from '../src/report/checks-document.ts';

const file = fileURLToPath(new URL('../docs/checks.md', import.meta.url));
writeFileSync(file, checksDocument());
process.stdout.write(`${file}\n`);
