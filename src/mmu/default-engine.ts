/** The default engine: profile P1, Linux 6.0 to 7.0 (kernel-facts 0). Everything else overrides parts of it. */
import { readLock, readUnlock, writeLock, writeUnlock } from '../locks/qrwlock.ts';
import type { Engine } from './engine.ts';
import { accountShadowed, childIsReusable } from './shadow/get-page.ts';
import { makeMmuPagesAvailable } from './shadow/fault.ts';
import { SPLIT_MIN_FREE_PAGES } from './shadow/split.ts';
import {
  afterAttempt,
  fillSplitChild,
  getSpForSplit,
  linkSplitChild,
  needTopupSplitCachesOrResched,
  splitChildRole,
  splitFlushGfn,
  splitLinked,
  splitNeedsFlush,
  topupSplitCaches,
} from './shadow/split-steps.ts';
import { needsWriteProtect, spteWriteProtect } from './shadow/write-protect.ts';
import { freeObsoleteRoots } from './shadow/zap.ts';
import { makeHugePageSplitSpte } from './spte.ts';

export const P1_ENGINE: Engine = {
  name: 'p1',
  summary: 'Linux 6.0 to 7.0: the split flushes only when the reused child holds tables',
  profile: 'P1',
  writeLock,
  writeUnlock,
  readLock,
  readUnlock,
  needTopupSplitCachesOrResched,
  topupSplitCaches,
  splitMinFreePages: SPLIT_MIN_FREE_PAGES,
  afterAttempt,
  splitChildRole,
  getSpForSplit,
  makeHugePageSplitSpte,
  fillSplitChild,
  splitNeedsFlush,
  splitFlushGfn,
  linkSplitChild,
  splitLinked,
  needsWriteProtect,
  spteWriteProtect,
  flushAfterEnable: () => true,
  clearSplitEnd: (lastGfn) => lastGfn,
  childIsReusable,
  makeMmuPagesAvailable,
  freeObsoleteRoots,
  accountShadowed,
};
