/** `replay --step-through`: a person walks through a run. Keys in a terminal, a command a line where standard input is none. */
import { createInterface, emitKeypressEvents, type Key } from 'node:readline';
import { Walk } from '../campaign/walk.ts';
import type { RunSpec } from '../campaign/run-spec.ts';
import { renderStep, WALK_KEYS } from '../report/step-view.ts';
import type { Output } from './output.ts';

const SCREEN_ROWS = 24;
const CLEAR = '\u001b[2J\u001b[H';
/** Lines of a step where there is no screen to fill. */
const PIPE_HEIGHT = 40;

/** What a line asks for. `again` shows the step once more, with the keys. */
type Command = { readonly go: (walk: Walk) => number } | 'quit' | 'help';

/** Reads `n`, `p`, `g 12`, ...; undefined if it is none of them. */
export function readCommand(line: string): Command | undefined {
  const text = line.trim();
  const number = /^g\s*(\d{1,9})$/.exec(text);
  if (number !== null) return { go: () => Number(number[1]) };
  switch (text) {
    case '':
    case 'n':
      return { go: (walk) => walk.at + 1 };
    case 'p':
    case 'b':
      return { go: (walk) => walk.at - 1 };
    case 's':
      return { go: (walk) => walk.find(1, (row) => row.because !== undefined) };
    case 'S':
      return { go: (walk) => walk.find(-1, (row) => row.because !== undefined) };
    case 'x':
      return { go: (walk) => walk.find(1, (row) => row.because === 'preempted') };
    case 'X':
      return { go: (walk) => walk.find(-1, (row) => row.because === 'preempted') };
    case 'h':
      return { go: () => 0 };
    case 'e':
      return { go: (walk) => walk.last };
    case 'q':
      return 'quit';
    case '?':
      return 'help';
    default:
      return undefined;
  }
}

/** Walks until the user has enough. */
export async function stepThrough(output: Output, spec: RunSpec): Promise<Walk> {
  const walk = new Walk(spec);
  if (process.stdin.isTTY && process.stdout.isTTY) await byKeys(output, walk);
  else await byLines(output, walk);
  return walk;
}

function show(output: Output, walk: Walk, height: number): void {
  for (const line of renderStep(walk.view(), { width: output.width, color: output.color, height }))
    output.line(line);
}

async function byLines(output: Output, walk: Walk): Promise<void> {
  show(output, walk, PIPE_HEIGHT);
  for await (const line of createInterface({ input: process.stdin })) {
    const command = readCommand(line);
    if (command === 'quit') return;
    if (command === undefined)
      output.line(`there is no command ${JSON.stringify(line.slice(0, 40))}: ${WALK_KEYS}`);
    else if (command === 'help') output.line(WALK_KEYS);
    else {
      walk.go(command.go(walk));
      show(output, walk, PIPE_HEIGHT);
    }
  }
}

/** Keys of a terminal beside those that are commands. */
const KEYS: Readonly<Record<string, string>> = {
  space: 'n',
  return: 'n',
  right: 'n',
  down: 'n',
  left: 'p',
  up: 'p',
  home: 'h',
  end: 'e',
  escape: 'q',
};

async function byKeys(output: Output, walk: Walk): Promise<void> {
  const { stdin, stdout } = process;
  let typed = '';
  let message = '';
  const draw = (): void => {
    stdout.write(CLEAR);
    show(output, walk, stdout.rows ?? SCREEN_ROWS);
    output.line(typed !== '' ? `go to step: ${typed.slice(1)}` : message === '' ? WALK_KEYS : message);
    message = '';
  };
  emitKeypressEvents(stdin);
  stdin.setRawMode(true);
  stdin.resume();
  try {
    await new Promise<void>((resolve) => {
      const leave = (): void => {
        stdin.off('keypress', onKey);
        stdout.off('resize', draw);
        resolve();
      };
      const onKey = (text: string | undefined, key: Key): void => {
        if (key.ctrl === true && (key.name === 'c' || key.name === 'd')) return leave();
        let line = KEYS[key.name ?? ''] ?? text ?? '';
        // A number is typed up to Enter.
        if (typed !== '' || line === 'g') {
          if (key.name === 'escape') typed = '';
          else if (key.name === 'backspace') typed = typed.length > 1 ? typed.slice(0, -1) : '';
          else if (key.name !== 'return') typed += /^[g\d]$/.test(line) ? line : '';
          if (key.name !== 'return' || typed === '') return draw();
          line = typed;
          typed = '';
        }
        const command = readCommand(line);
        if (command === 'quit') return leave();
        if (command === undefined) message = `no such key; ${WALK_KEYS}`;
        else if (command !== 'help') walk.go(command.go(walk));
        draw();
      };
      stdin.on('keypress', onKey);
      stdout.on('resize', draw);
      draw();
    });
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
  }
}
