// Runs an entry point of this folder from its source, as ES modules: see threadEntry in src/scenario/trial.ts. A thread does not
// inherit a loader given with --import; and the await keeps piscina from loading this file with require(), which it tries first.
import { register } from 'tsx/esm/api';

register();
export default (await import(process.argv[2])).default;
