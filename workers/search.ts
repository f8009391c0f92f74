/** Piscina entry point of a search: shards of schedules on this thread. */
import { runShard } from '../src/campaign/search/worker.ts';
import type { ShardReply, ShardTask } from '../src/campaign/search/shard.ts';

export default (task: ShardTask): Promise<ShardReply> => runShard(task);
