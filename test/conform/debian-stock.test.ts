import { describe } from 'vitest';
import { recordingTests } from './recordings.ts';

describe('the kernel of Debian 6.1.192, whose link step always flushes', () => {
  recordingTests('debian-stock', 'p2');
});
