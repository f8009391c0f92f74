/** From text to a recording. It is data from elsewhere: what does not fit is refused with the path of the field. */
import type { z } from 'zod';
import { anyEvent, EVENT_SCHEMAS, type RecordedEvent } from './events.ts';
import { integrityFaults } from './integrity.ts';
import { FORMAT, recordingSchema, type Recording } from './recording.ts';

/** A file is no recording that can be used. One line. */
export class RecordingError extends Error {
  override readonly name = 'RecordingError';
}

export interface ParsedRecording {
  readonly recording: Recording;
  /** Types of events that nobody knows here, and how many there were of each. */
  readonly unknownEvents: ReadonlyMap<string, number>;
}

export function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, k) => {
      if (typeof part === 'number') return `[${part}]`;
      const name = String(part);
      if (/^[A-Za-z_][\w-]*$/.test(name)) return k === 0 ? name : `.${name}`;
      return `[${JSON.stringify(name.slice(0, 60))}]`;
    })
    .join('');
}

const SHOWN = 60;

/** A value as it is shown in a complaint: short, on one line. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const json = JSON.stringify(value) ?? typeof value;
  return json.length > SHOWN ? `${json.slice(0, SHOWN)}…` : json;
}

function valueAt(whole: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    whole,
  );
}

/** The first complaint in one line, and how many more there are. */
function complain(error: z.ZodError, whole: unknown, prefix: readonly PropertyKey[] = []): never {
  const [issue] = error.issues;
  if (issue === undefined) throw new RecordingError('not valid');
  const given = shown(valueAt(whole, issue.path));
  const path = pathText([...prefix, ...issue.path]) || 'the whole';
  const more = error.issues.length > 1 ? ` (and ${error.issues.length - 1} more)` : '';
  throw new RecordingError(`${path}: ${issue.message}, but it holds ${given}${more}`);
}

function parseEvents(raw: readonly unknown[]): {
  readonly events: RecordedEvent[];
  readonly unknownEvents: Map<string, number>;
} {
  const events: RecordedEvent[] = [];
  const unknownEvents = new Map<string, number>();
  for (const [k, value] of raw.entries()) {
    const any = anyEvent.safeParse(value);
    if (!any.success) complain(any.error, value, ['events', k]);
    const schema = EVENT_SCHEMAS.get(any.data.type);
    if (schema === undefined) {
      unknownEvents.set(any.data.type, (unknownEvents.get(any.data.type) ?? 0) + 1);
      continue;
    }
    const event = schema.safeParse(value);
    if (!event.success) complain(event.error, value, ['events', k]);
    events.push(event.data);
  }
  return { events, unknownEvents };
}

/** @throws RecordingError naming the field */
export function parseRecording(value: unknown): ParsedRecording {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RecordingError(`a recording is a JSON object, but this is ${shown(value)}`);
  const { format } = value as { readonly format?: unknown };
  if (format !== FORMAT)
    throw new RecordingError(`format: ${shown(format)}; this program reads format ${FORMAT}`);
  const rest = recordingSchema.safeParse(value);
  if (!rest.success) complain(rest.error, value);
  const { events, unknownEvents } = parseEvents(rest.data.events);
  const recording: Recording = { ...rest.data, events };
  for (const { path, message } of integrityFaults(recording)) throw new RecordingError(`${path}: ${message}`);
  return { recording, unknownEvents };
}

/** @throws RecordingError saying where the JSON ends or breaks, or naming the field */
export function parseRecordingText(text: string): ParsedRecording {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RecordingError(`no JSON, or cut short: ${(error as Error).message}`, { cause: error });
  }
  return parseRecording(value);
}
