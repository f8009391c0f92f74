/**
 * Writes docs/checks.md from the invariants in src/check and what scripts/check-activity.ts has measured, docs/actors.md
 * from the catalogue of actors, docs/corpus.md from the table of bugs, and the list of differences in docs/conformance.md.
 *
 *     node --import tsx scripts/generate-docs.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { allowedJson, withAllowedTable } from '../src/conform/report/document.ts';
import { actorsDocument } from '../src/report/actors-document.ts';
import { corpusDocument } from '../src/report/corpus.ts';
import { checksDocument, type CheckActivity } from '../src/report/checks-document.ts';

const docs = (name: string): string => fileURLToPath(new URL(`../docs/${name}`, import.meta.url));

function write(name: string, text: string): void {
  writeFileSync(docs(name), text);
  process.stdout.write(`${docs(name)}\n`);
}

write(
  'checks.md',
  checksDocument(JSON.parse(readFileSync(docs('check-activity.json'), 'utf8')) as CheckActivity),
);
write('actors.md', actorsDocument());
write('corpus.md', corpusDocument());
write('conformance.md', withAllowedTable(readFileSync(docs('conformance.md'), 'utf8')));
write('conformance-allowed.json', allowedJson());
