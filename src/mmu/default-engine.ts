/** The default engine: profile P1, Linux 6.0 to 7.0 (kernel-facts 0). Everything else overrides parts of it. */
import { readLock, readUnlock, writeLock, writeUnlock } from '../locks/qrwlock.ts';
import type { Engine } from './engine.ts';
import { freeObsoleteRoots } from './roots.ts';
import { childRole } from './role.ts';
import { VM_WIDE_STEPS } from './vm-wide-steps.ts';
import { HOST_PAGE_STEPS } from './host-page.ts';
import { HOST_STEPS } from './host/steps.ts';
import { LOG_STEPS } from './log/steps.ts';
import { L1_STEPS } from './shadow/l1-steps.ts';
import { accountShadowed, childIsReusable } from './shadow/get-page.ts';
import { makeMmuPagesAvailable } from './shadow/fault.ts';
import { SPLIT_MIN_FREE_PAGES } from './shadow/split.ts';
import {
  afterAttempt,
  fillReusedChild,
  fillSplitChild,
  getSpForSplit,
  linkSplitChild,
  needTopupSplitCachesOrResched,
  splitChildRole,
  splitFlushGfn,
  splitLinked,
  splitNeedsFlush,
  topupSplitCaches,
  topupUnlocked,
} from './shadow/split-steps.ts';
import { needsWriteProtect, spteWriteProtect } from './shadow/write-protect.ts';
import { makeHugePageSplitSpte } from './spte.ts';
import { TDP_LOG_STEPS } from './tdp/log-steps.ts';
import { TDP_STEPS } from './tdp/steps.ts';
import { VERSION_STEPS } from './version-steps.ts';

export const P1_ENGINE: Engine = {
  name: 'p1',
  summary: 'Linux 6.0 to 7.0: the split flushes only when the reused child holds tables',
  profile: 'P1',
  ...LOG_STEPS,
  ...TDP_STEPS,
  ...TDP_LOG_STEPS,
  ...VM_WIDE_STEPS,
  ...HOST_PAGE_STEPS,
  ...HOST_STEPS,
  ...L1_STEPS,
  ...VERSION_STEPS,
  writeLock,
  writeUnlock,
  readLock,
  readUnlock,
  needTopupSplitCachesOrResched,
  topupSplitCaches,
  topupUnlocked,
  splitMinFreePages: SPLIT_MIN_FREE_PAGES,
  afterAttempt,
  splitChildRole,
  getSpForSplit,
  makeHugePageSplitSpte,
  fillReusedChild,
  fillSplitChild,
  splitNeedsFlush,
  splitFlushesBeforeDrop: false,
  splitSkipsInvalid: true,
  splitFlushGfn,
  linkSplitChild,
  splitLinked,
  needsWriteProtect,
  spteWriteProtect,
  flushAfterEnable: () => true,
  clearSplitEnd: (lastGfn) => lastGfn,
  clearSplitsLastPage: false,
  childRole,
  nxForbidsExec: (kvm, level) => level > 1 && kvm.config.nxHugePages,
  loggedFaultsMapSmall: ({ logged }) => logged,
  childIsReusable,
  makeMmuPagesAvailable,
  freeObsoleteRoots,
  accountShadowed,
};
