import { describe } from 'vitest';
import { recordingTests } from './recordings.ts';

describe('a kernel whose link step flushes only if asked to', () => {
  recordingTests('orig-link', 'p1');
});
