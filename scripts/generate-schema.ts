// Writes schema/outcome.schema.json from src/report/schema.ts:
//   node --import tsx scripts/generate-schema.ts
// test/report/schema.test.ts fails while the file is not current.

import { mkdirSync, writeFileSync } from 'node:fs';
import { outcomeJsonSchema } from '../src/report/json.ts';

const folder = new URL('../schema/', import.meta.url);
mkdirSync(folder, { recursive: true });
writeFileSync(new URL('outcome.schema.json', folder), outcomeJsonSchema());
