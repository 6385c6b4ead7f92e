/** Refinement of one text: takes the conclusions out of a teacher's reasoning. */
export type { Refined, RefinedPart } from './cutting.js';
export { refine } from './policies/paper.js';
export type { RefineSettings } from './policies/policy.js';
