/**
 * Portfolio: no single strategy is best for every bug, so schedules are dealt to several, more to those that bring more (an
 * algorithm portfolio after Huberman, Lukose, Hogg, "An Economics Approach to Hard Computational Problems", Science 1997;
 * shares move by yield as in adaptive portfolios).
 *
 * Selectively uniform walks find bugs that need few orders among many actors, uniform walks those deep in one actor, POS
 * those between few actors; fair PCT and the random walk are there for what none of these is made for. The shares are from the
 * scoreboard: with them the portfolio needs at most about twice as many schedules as the best of its arms, on each kernel.
 *
 * A portfolio makes no schedule of its own: schedule i is the chosen arm's schedule i, and a token names that arm. Its mix is
 * in src/explore/deal.ts.
 */
import { defineStrategy, type Arm } from '../strategy.ts';
import fairPct from './fair-pct.ts';
import pos from './pos.ts';
import randomWalk from './random-walk.ts';
import surw from './surw.ts';
import urw from './urw.ts';

const ARMS: readonly Arm[] = [
  { strategy: surw, option: 0, share: 0.6 },
  { strategy: urw, option: 0, share: 0.2 },
  { strategy: pos, option: 0, share: 0.1 },
  { strategy: fairPct, option: 10, share: 0.05 },
  { strategy: randomWalk, option: 0, share: 0.05 },
];

export default defineStrategy({
  name: 'portfolio',
  summary:
    'deals the schedules to surw, urw, pos, fair-pct and the random walk, more to those that find new behaviour',
  paper: 'Huberman, Lukose, Hogg, Science 1997',
  needsProfile: true,
  arms: ARMS,
  make: () => {
    throw new Error('a portfolio has no schedules of its own');
  },
});
