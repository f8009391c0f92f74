import { fileURLToPath } from 'node:url';
import { loadRecording } from '../../src/conform/load.ts';
import type { Recording } from '../../src/conform/recording.ts';

export const RECORDINGS = fileURLToPath(new URL('../fixtures/recordings', import.meta.url));

export const fileNamed = (kernel: 'orig-link' | 'debian-stock', name: string): string =>
  `${RECORDINGS}/${kernel}/${name}.json.br`;

export const recordingNamed = (kernel: 'orig-link' | 'debian-stock', name: string): Recording =>
  loadRecording(fileNamed(kernel, name)).recording;
