/** From a recording to the text of a file, with the decoded fields that people read beside the raw ones. */
import type { RecordedEvent } from './events.ts';
import type { Recording } from './recording.ts';
import type { Entry, Snapshot } from './snapshots.ts';
import { describeHex } from './spte-text.ts';

function writeEvent(event: RecordedEvent): unknown {
  if (event.type === 'kvm_tdp_mmu_spte_changed')
    return { ...event, old_d: describeHex(event.old), new_d: describeHex(event.new) };
  if ('spte' in event && event.type !== 'probe_try_one') return { ...event, spte_d: describeHex(event.spte) };
  return event;
}

function writeEntry({ i, t, spte, ...rest }: Entry): unknown {
  return { i, t, spte, d: describeHex(spte), ...rest };
}

function writeSnapshot(snapshot: Snapshot): unknown {
  return {
    ...snapshot,
    shadow_pages: snapshot.shadow_pages.map((page) => ({ ...page, entries: page.entries.map(writeEntry) })),
  };
}

/** One line for each operation, shadow page and event, so that a file can be read and compared as text too. */
export function recordingText(recording: Recording): string {
  const { name, description, format, kernel, cpu, setup, operations, snapshots, stats, events } = recording;
  const line = (key: string, value: unknown): string => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`;
  const list = (key: string, values: readonly unknown[]): string =>
    `  ${JSON.stringify(key)}: [\n${values.map((value) => `    ${JSON.stringify(value)}`).join(',\n')}\n  ]`;
  const dumps = Object.entries(snapshots).map(
    ([tag, snapshot]) => `    ${JSON.stringify(tag)}: ${JSON.stringify(writeSnapshot(snapshot))}`,
  );
  const tags = operations.flatMap((operation) => (operation.type === 'snapshot' ? [operation.tag] : []));
  const first = stats[tags[0] ?? ''] ?? {};
  const last = stats[tags.at(-1) ?? ''] ?? {};
  return `{\n${[
    line('name', name),
    line('description', description),
    line('format', format),
    line('kernel', kernel),
    line('cpu', cpu),
    line('setup', setup),
    list('operations', operations),
    `  "snapshots": {\n${dumps.join(',\n')}\n  }`,
    line('stats', stats),
    line('stats_before', first),
    line('stats_after', last),
    list('events', events.map(writeEvent)),
  ].join(',\n')}\n}\n`;
}
