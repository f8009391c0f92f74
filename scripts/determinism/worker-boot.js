// Threads do not inherit a loader given with --import, so the TypeScript loader is registered here.
import { register } from 'tsx/esm/api';

register();
export default (await import('./task.ts')).default;
