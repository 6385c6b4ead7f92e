/** Calls of a tool that were carried out (VITAL). */
import type { Reward } from './reward.js';

const EACH = 0.5;
const MOST = 2;

/** 0.5 for each of at most two calls; for completions that were offered a tool. */
export const tool = (): Reward => ({
  highest: EACH * MOST,
  of: ({ calls }) => (calls === undefined ? null : EACH * Math.min(MOST, Math.max(0, calls))),
});
