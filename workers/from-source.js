// Runs an entry point of this folder from its source. A thread does not inherit a loader given with --import. And piscina
// tries require() first, which tsx answers with CommonJS, where every use of an imported name is a call: a search took three
// times as long. The await keeps this file from being required.
import { register } from 'tsx/esm/api';

register();
export default (await import(process.argv[2])).default;
