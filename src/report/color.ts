/**
 * Whether to colour, decided once by the command and handed on. picocolors would decide for itself, but it also
 * colours into a pipe when CI is set.
 */

export interface ColorStream {
  readonly isTTY?: boolean | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** FORCE_COLOR first (0 or false switch off), then NO_COLOR, TERM=dumb, and whether it is a terminal. CI is ignored. */
export function decideColor(stream: ColorStream, env: Environment): boolean {
  const force = env['FORCE_COLOR'] ?? '';
  if (force !== '') return force !== '0' && force !== 'false';
  if ((env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb') return false;
  return stream.isTTY === true;
}
