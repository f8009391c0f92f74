/** The outcome as a JSON document, and back. */
import { z } from 'zod';
import { outcomeSchema, type Outcome } from './schema.ts';

/** The document, indented, with a line break at its end. */
export function toJson(outcome: Outcome): string {
  return `${JSON.stringify(outcome, null, 2)}\n`;
}

/** A text that is no outcome document. */
export class OutcomeFormatError extends Error {
  override readonly name = 'OutcomeFormatError';
}

/**
 * Reads a document written by `toJson`.
 * @throws OutcomeFormatError that names each field that is wrong
 */
export function parseOutcome(document: string): Outcome {
  let value: unknown;
  try {
    value = JSON.parse(document);
  } catch (error) {
    throw new OutcomeFormatError(`no JSON: ${(error as Error).message}`, { cause: error });
  }
  const result = outcomeSchema.safeParse(value);
  if (!result.success) throw new OutcomeFormatError(z.prettifyError(result.error), { cause: result.error });
  return result.data;
}

/** The text of schema/outcome.schema.json: JSON Schema, draft 2020-12. */
export function outcomeJsonSchema(): string {
  const schema = {
    title: 'splitstorm outcome',
    ...z.toJSONSchema(outcomeSchema, { target: 'draft-2020-12' }),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}
