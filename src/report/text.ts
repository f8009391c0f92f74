/** Text for terminals: numbers, wrapping, cutting. Nothing here depends on a locale. */
import type { TimeUnit } from '../measure/lock-stats.ts';

/** Replaces control characters: what a scenario or an error says must not steer the terminal. */
export function clean(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what it is about
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}

/** `1,234,567`. */
export function formatCount(value: number): string {
  return String(Math.round(value)).replaceAll(/\B(?=(?:\d{3})+$)/g, ',');
}

/** `1 page`, `2 pages`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${formatCount(value)} ${value === 1 ? one : many}`;
}

/** A part of a whole: `99.2 %`; never 100 % or 0 % for one that is not quite. */
export function formatShare(part: number): string {
  const percent = part * 100;
  if (part > 0 && percent < 0.1) return '< 0.1 %';
  if (part < 1 && percent > 99.9) return '> 99.9 %';
  return `${percent === Math.round(percent) ? percent : percent.toFixed(1)} %`;
}

/** A time for a table: µs with two decimals, or steps. A mean of steps keeps one decimal. */
export function formatTime(value: number, unit: TimeUnit): string {
  if (unit === 'ns') return (value / 1000).toFixed(2);
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}

/** A duration in the unit that fits: `830 ns`, `12.3 ms`, `2.46 s`, `1,234 steps`. */
export function formatDuration(value: number, unit: TimeUnit): string {
  if (unit === 'steps') return plural(value, 'step');
  for (const [name, size] of [
    ['s', 1e9],
    ['ms', 1e6],
    ['µs', 1e3],
  ] as const) {
    if (value >= size)
      return `${value >= 100 * size ? formatCount(value / size) : (value / size).toPrecision(3)} ${name}`;
  }
  return `${Math.round(value)} ns`;
}

/** `07:05`, `1:02:03`. */
export function formatClock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  return `${hours > 0 ? `${hours}:` : ''}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** Cuts a text to `width`, with `…` as its last character if anything was lost. */
export function truncate(text: string, width: number): string {
  if (text.length <= width) return text;
  return width <= 0 ? '' : `${text.slice(0, width - 1)}…`;
}

/** Breaks a text at spaces into lines of at most `width`; a word longer than that is cut. */
export function wrap(text: string, width: number): string[] {
  const room = Math.max(1, width);
  const lines: string[] = [];
  let line = '';
  for (let word of clean(text).split(' ')) {
    if (word === '') continue;
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = '';
    }
    while (word.length > room) {
      lines.push(word.slice(0, room));
      word = word.slice(room);
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '' || lines.length === 0) lines.push(line);
  return lines;
}

/** Joins `options` of a command with `\` at the ends of lines, so that it can be copied and fits `width` if it can. */
export function wrapCommand(command: string, width: number): string[] {
  if (command.length <= width) return [clean(command)];
  const parts = clean(command).split(/ (?=--)/);
  return parts.map((part, at) => `${at === 0 ? '' : '  '}${part}${at === parts.length - 1 ? '' : ' \\'}`);
}
