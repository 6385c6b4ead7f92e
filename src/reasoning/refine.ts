/** Refinement of one text: takes the conclusions out of a teacher's reasoning. */
export type { Refined, RefinedPart } from './cutting.js';
export { type RefineSettings, refine } from './policies/paper.js';
