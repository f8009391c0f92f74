// Rules about the repository itself. Every rule is a pure function from file texts to findings,
// so that a test can also show that it fails on a text which breaks it.

export interface SourceFile {
  /** Path from the top of the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export const LAYERS: readonly string[] = [
  'arena',
  'cpu',
  'locks',
  'mmu',
  'variants',
  'actors',
  'scenario',
  'runtime',
  'explore',
  'check',
  'measure',
  'report',
  'campaign',
  'conform',
  'cli',
];

/** Layers whose behaviour may depend on the seed and the schedule only. */
export const DETERMINISTIC_LAYERS: readonly string[] = ['arena', 'cpu', 'locks', 'mmu', 'actors', 'explore'];

export const MAX_LINES = 400;

const REGEX_MAY_FOLLOW = /(?:^|[=([{,;:!&|?+\-*%^~<>]|\b(?:return|typeof|case|in|of|void|yield|await))$/;

/** Blanks comments, and with `strings` also the text of string, template and regex literals; keeps line breaks. */
export function stripTypeScript(text: string, options: { readonly strings: boolean }): string {
  const blank = (part: string): string => part.replaceAll(/[^\n]/g, ' ');
  const literal = (part: string): string => (options.strings ? blank(part) : part);
  // One entry for each template literal we are inside of: the number of open braces of its ${ } part.
  const templates: number[] = [];
  let out = '';
  let at = 0;

  const quoted = (quote: string): number => {
    let end = at + 1;
    while (end < text.length && text[end] !== quote && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1;
    return Math.min(end + 1, text.length);
  };
  const regex = (): number => {
    let end = at + 1;
    let inClass = false;
    while (end < text.length && text[end] !== '\n' && (inClass || text[end] !== '/')) {
      if (text[end] === '\\') end += 1;
      else if (text[end] === '[') inClass = true;
      else if (text[end] === ']') inClass = false;
      end += 1;
    }
    return Math.min(end + 1, text.length);
  };
  /** From just after a backquote or the } of a ${ } part, to the end of that text part. */
  const templateText = (): void => {
    const start = at;
    while (at < text.length && text[at] !== '`' && !text.startsWith('${', at))
      at += text[at] === '\\' ? 2 : 1;
    at = Math.min(at, text.length);
    out += literal(text.slice(start, at));
    if (text.startsWith('${', at)) {
      out += '${';
      at += 2;
      templates.push(0);
    } else if (at < text.length) {
      out += '`';
      at += 1;
    }
  };
  const take = (end: number, show: (part: string) => string): void => {
    out += show(text.slice(at, end));
    at = end;
  };

  while (at < text.length) {
    const char = text.charAt(at);
    if (text.startsWith('//', at)) {
      const end = text.indexOf('\n', at);
      take(end === -1 ? text.length : end, blank);
    } else if (text.startsWith('/*', at)) {
      const end = text.indexOf('*/', at + 2);
      take(end === -1 ? text.length : end + 2, blank);
    } else if (char === "'" || char === '"') {
      take(quoted(char), literal);
    } else if (char === '`') {
      out += '`';
      at += 1;
      templateText();
    } else if (char === '/' && REGEX_MAY_FOLLOW.test(out.slice(-80).trimEnd())) {
      take(regex(), literal);
    } else {
      out += char;
      at += 1;
      const depth = templates.at(-1);
      if (depth !== undefined && char === '{') templates[templates.length - 1] = depth + 1;
      if (depth !== undefined && char === '}') {
        if (depth > 0) templates[templates.length - 1] = depth - 1;
        else {
          templates.pop();
          templateText();
        }
      }
    }
  }
  return out;
}

/** The module specifiers of static, re-exporting, side-effect and literal dynamic imports, types included. */
export function importsOf(text: string): string[] {
  const code = stripTypeScript(text, { strings: false });
  const pattern =
    /\b(?:import|export)\b[^;'"`]*?\bfrom\s*(['"])([^'"\n]+)\1|\bimport\s*(['"])([^'"\n]+)\3|\bimport\s*\(\s*(['"`])([^'"`\n]+)\5/g;
  return [...code.matchAll(pattern)].map((match) => match[2] ?? match[4] ?? match[6] ?? '');
}

function resolveFrom(path: string, specifier: string): string {
  const parts = path.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function layerOf(path: string): string | undefined {
  const match = /^src\/([^/]+?)(?:\/|\.ts$)/.exec(path);
  return match?.[1];
}

/** A file may import from its own layer and from earlier ones, and never from what stands outside src/. */
export function layerFindings(files: readonly SourceFile[]): string[] {
  const findings: string[] = [];
  for (const { path, text } of files) {
    if (!path.startsWith('src/') || path === 'src/index.ts') continue;
    const layer = layerOf(path) ?? '';
    const rank = LAYERS.indexOf(layer);
    if (rank === -1) {
      findings.push(`${path}: "${layer}" is not in the list of layers`);
      continue;
    }
    for (const specifier of importsOf(text)) {
      if (!specifier.startsWith('.')) continue;
      const target = resolveFrom(path, specifier);
      const targetLayer = layerOf(target);
      if (targetLayer === undefined) {
        if (/^(?:workers|test|bench)\//.test(target))
          findings.push(`${path}: imports ${target}, outside src/`);
      } else if (target === 'src/index.ts') {
        findings.push(`${path}: imports src/index.ts, which is for users of the package`);
      } else if (LAYERS.indexOf(targetLayer) > rank) {
        findings.push(`${path}: layer ${layer} imports ${target} of the later layer ${targetLayer}`);
      }
    }
  }
  return findings;
}

const NONDETERMINISM: ReadonlyArray<readonly [RegExp, string]> = [
  [/\bDate\s*(?:\?\.|\.)\s*now\b/, 'Date.now'],
  [/\bnew\s+Date\s*(?:\(\s*\)|[^\s(])/, 'new Date without an argument'],
  [/\bMath\s*(?:\?\.|\.)\s*random\b/, 'Math.random'],
  [/\bperformance\s*(?:\?\.|\.)\s*now\b/, 'performance.now'],
  [/\bsetTimeout\b/, 'setTimeout'],
  [/\bhrtime\b/, 'process.hrtime'],
  [/\b(?:Date|Math|performance|process)\s*(?:\?\.)?\s*\[/, 'a computed member of a clock or random source'],
  [
    /\}\s*=\s*(?:globalThis\s*\.\s*)?(?:Date|Math|performance|process)\b(?!\s*\.)/,
    'a destructured clock or random source',
  ],
];

const NONDETERMINISTIC_MODULES = /^(?:node:)?(?:timers(?:\/promises)?|perf_hooks)$/;

/** Clocks, timers and unseeded randomness in the layers that must be replayable. */
export function determinismFindings(files: readonly SourceFile[]): string[] {
  const findings: string[] = [];
  for (const { path, text } of files) {
    if (!DETERMINISTIC_LAYERS.includes(layerOf(path) ?? '')) continue;
    const lines = stripTypeScript(text, { strings: true }).split('\n');
    for (const [index, line] of lines.entries()) {
      for (const [pattern, name] of NONDETERMINISM) {
        if (pattern.test(line)) findings.push(`${path}:${index + 1}: ${name}`);
      }
    }
    for (const specifier of importsOf(text)) {
      if (NONDETERMINISTIC_MODULES.test(specifier)) findings.push(`${path}: imports ${specifier}`);
    }
  }
  return findings;
}

export function lengthFindings(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => /^(?:src|workers)\//.test(path))
    .map(({ path, text }) => ({ path, lines: text.replace(/\n$/, '').split('\n').length }))
    .filter(({ lines }) => lines > MAX_LINES)
    .map(({ path, lines }) => `${path}: ${lines} lines, at most ${MAX_LINES} are allowed`);
}

// Written so that no pattern matches its own source text.
const MACHINE_TEXT: ReadonlyArray<readonly [RegExp, string]> = [
  [/(?<![\w.~})\]-])\/(?:work|home|root|Users)\/[\w.-]+/, 'a machine path'],
  [/\b[A-Za-z]:\\{1,2}Users\\/, 'a machine path'],
  [/\bfile:\/{3}\w/, 'a file URL'],
  [/\bregistry\.[a-z0-9-]+\.[a-z]{2,}\b/i, 'a registry host'],
  [/\bnpm\.pkg\.[a-z0-9-]+\.[a-z]{2,}\b/i, 'a registry host'],
  [/\bregistry["']?\s*[=:]\s*["']?https?:/i, 'a registry address'],
  [/"resolved":\s*"https?:/, 'a resolved address in a lock file'],
];

/**
 * Paths of somebody's machine and hosts of package registries. `local` are further texts to look for:
 * the path of this checkout and the host of the registry in use.
 */
export function machineFindings(files: readonly SourceFile[], local: readonly string[] = []): string[] {
  const findings: string[] = [];
  for (const { path, text } of files) {
    for (const [index, line] of text.split('\n').entries()) {
      for (const [pattern, name] of MACHINE_TEXT) {
        if (pattern.test(line)) findings.push(`${path}:${index + 1}: ${name}`);
      }
      if (local.some((part) => line.includes(part)))
        findings.push(`${path}:${index + 1}: a text of this machine`);
    }
  }
  return findings;
}
