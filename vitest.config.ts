import { availableParallelism } from 'node:os';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { compiledImports, filesWithMocks } from './test/support/program.ts';

const withMocks = filesWithMocks();
const project = {
  pool: 'forks',
  // For machines that are busy with something else.
  testTimeout: 60_000,
  hookTimeout: 60_000,
  sequence: { seed: 20_261_122 },
} as const;

/** Most tests run against the compiled program, many files in one process; `--mode sources` takes the sources instead. */
const config: (env: { readonly mode: string }) => ViteUserConfig = ({ mode }) => ({
  test: {
    globalSetup: 'test/support/program.ts',
    maxWorkers: availableParallelism(),
    reporters: ['default'],
    projects: [
      {
        plugins: mode === 'sources' ? [] : [compiledImports()],
        test: {
          ...project,
          name: 'all',
          include: ['test/**/*.test.ts'],
          exclude: withMocks,
          isolate: false,
        },
      },
      { test: { ...project, name: 'mocks', include: withMocks } },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'html', 'json-summary'],
    },
  },
});

export default defineConfig(config);
