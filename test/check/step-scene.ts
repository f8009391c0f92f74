/** The scene of most tests of step checks: the default scenario. */
import type { StepCheckFamily } from '../../src/check/types.ts';
import nestedMigration from '../../scenarios/nested-migration.ts';
import { sceneOf } from './scene.ts';

export const scene = (
  family: StepCheckFamily,
  parameters: Record<string, unknown> = {},
): ReturnType<typeof sceneOf> => sceneOf(family, nestedMigration, parameters);
