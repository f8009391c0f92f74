/**
 * Writes docs/checks.md from the invariants in src/check and what scripts/check-activity.ts has measured, and docs/actors.md
 * from the catalogue of actors.
 *
 *     node --import tsx scripts/generate-docs.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { actorsDocument } from '../src/report/actors-document.ts';
import { checksDocument, type CheckActivity } from '../src/report/checks-document.ts';

const docs = (name: string): string => fileURLToPath(new URL(`../docs/${name}`, import.meta.url));
const activity = JSON.parse(readFileSync(docs('check-activity.json'), 'utf8')) as CheckActivity;
writeFileSync(docs('checks.md'), checksDocument(activity));
writeFileSync(docs('actors.md'), actorsDocument());
process.stdout.write(`${docs('checks.md')}\n${docs('actors.md')}\n`);
