/** The written list as the documents show it. */
import { ALLOWED, MAX_ALLOWED_SHARE } from '../allowed.ts';

/** docs/conformance-allowed.json: for other programs. */
export function allowedJson(): string {
  const list = ALLOWED.map(({ field, ...entry }) => ({ ...entry, field: field.source }));
  return `${JSON.stringify({ maxShare: MAX_ALLOWED_SHARE, list }, null, 2)}\n`;
}

/** The part of docs/conformance.md between its two marks. */
export function allowedTable(): string {
  const rows = ALLOWED.map(
    ({ id, kind, field, onlyMore, cause, reason }) =>
      `| ${id} | ${kind} | \`${field.source.replaceAll('|', String.raw`\|`)}\`${onlyMore === true ? ' (more in the recording)' : ''} | ${cause} | ${reason} |`,
  );
  return ['| entry | kind | field | cause | reason |', '| --- | --- | --- | --- | --- |', ...rows].join('\n');
}

const BEGIN = '<!-- the list: generated -->';
const END = '<!-- end of the list -->';

/** The document with its list renewed. @throws Error if the marks are missing */
export function withAllowedTable(document: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/conformance.md lacks ${BEGIN} or ${END}`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${allowedTable()}\n\n${document.slice(end)}`;
}
