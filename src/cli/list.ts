/** `splitstorm list`: scenarios, members of the cast, variants and checks, each with a sentence. */
import type { CommandModule } from 'yargs';
import { CAST } from '../actors/cast.ts';
import { CAST_KINDS } from '../actors/context.ts';
import { INVARIANTS } from '../check/all.ts';
import { loadScenario, shippedScenarios } from '../scenario/load.ts';
import { VARIANTS } from '../variants/index.ts';

type Done = (status: number) => void;
const KINDS = ['scenarios', 'cast', 'variants', 'checks'] as const;
type Kind = (typeof KINDS)[number];

interface Entry {
  readonly name: string;
  readonly text: string;
}

async function entries(kind: Kind): Promise<Entry[]> {
  switch (kind) {
    case 'scenarios':
      return Promise.all(
        shippedScenarios().map(async (name) => ({ name, text: (await loadScenario(name)).summary })),
      );
    case 'cast':
      return CAST_KINDS.flatMap((name) => {
        const member = CAST[name];
        if (member === undefined) return [];
        const moves = Object.entries(member.moves).map(([move, weight]) => `${move} ${weight}`);
        return [
          {
            name,
            text: `${member.summary}; moves by weight: ${moves.join(', ')} (${member.facts.join(', ')})`,
          },
        ];
      });
    case 'variants':
      return VARIANTS.map((variant) => ({ name: variant.name, text: `${variant.kind}: ${variant.summary}` }));
    case 'checks':
      return INVARIANTS.map((invariant) => ({ name: invariant.id, text: invariant.sentence }));
  }
}

/** Wraps a text behind a hanging indent. */
export function hang(name: string, text: string, indent: number, width: number): string {
  const room = Math.max(20, width - indent);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines
    .map((part, i) => (i === 0 ? `  ${name}`.padEnd(indent) : ' '.repeat(indent)) + part)
    .join('\n');
}

export function listCommand(done: Done): CommandModule {
  return {
    command: 'list [what]',
    describe: 'list scenarios, the cast, variants and checks',
    builder: (argv) =>
      argv
        .positional('what', { choices: KINDS, describe: 'only these' })
        .option('json', { type: 'boolean', default: false, describe: 'as JSON' })
        .example('$0 list scenarios', 'the shipped scenarios'),
    handler: async (args) => {
      const kinds = args['what'] === undefined ? KINDS : [args['what'] as Kind];
      const all: Partial<Record<Kind, Entry[]>> = {};
      for (const kind of kinds) all[kind] = await entries(kind);
      if (args['json'] === true) process.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
      else {
        const width = process.stdout.columns ?? 100;
        for (const kind of kinds) {
          const list = all[kind]!;
          const indent = Math.max(...list.map((entry) => entry.name.length)) + 4;
          process.stdout.write(
            `${kind}\n${list.map((entry) => hang(entry.name, entry.text, indent, width)).join('\n')}\n\n`,
          );
        }
      }
      done(0);
    },
  };
}
