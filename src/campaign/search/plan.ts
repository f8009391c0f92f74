/** Cutting a search into shards: a function of the schedules' numbers alone, so that all workers see the same ones. */
import { epochOf } from '../../explore/deal.ts';

/** Schedules of a shard, small ones first: the first results come soon, and a short search is cut fine enough to share. */
const SMALL = 64;
const LARGE = 256;
const LARGE_FROM = 2048;

/** Where the shard ends that begins at `from`. Shards lie within an epoch. */
export function shardEnd(from: number, end: number): number {
  const size = from < LARGE_FROM ? SMALL : LARGE;
  return Math.min(end, epochOf(from).to, (Math.floor(from / size) + 1) * size);
}
