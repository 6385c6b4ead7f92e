/** The points of the paper's figures that its text prints (arXiv 2501.13536, sections 4.3 and 4.4), in percent. */

export interface PaperPoint {
  dataset: string;
  /** Line of the figure; absent where it has one. */
  line?: string;
  x: number;
  accuracy: number;
}

/** Accuracy against beta. "Best" on STAR is that of tables 1 and 8, at the beta of NExT-QA's best; 0.5 is table 5's. */
export const FIGURE_4: readonly PaperPoint[] = [
  { dataset: 'nextqa', x: 0, accuracy: 75.4 },
  { dataset: 'nextqa', x: 0.5, accuracy: 76.8 },
  { dataset: 'nextqa', x: 0.8, accuracy: 77.0 },
  { dataset: 'nextqa', x: 0.9, accuracy: 75.9 },
  { dataset: 'star', x: 0, accuracy: 71.0 },
  { dataset: 'star', x: 0.5, accuracy: 73.2 },
  { dataset: 'star', x: 0.8, accuracy: 74.5 },
];

/** Accuracy against the share of correct reasoning. The text does not say at which share refined reasoning has 76.8. */
export const FIGURE_3: readonly PaperPoint[] = [
  { dataset: 'nextqa', line: 'original', x: 0.25, accuracy: 75.3 },
  { dataset: 'nextqa', line: 'original', x: 1, accuracy: 76.2 },
  { dataset: 'nextqa', line: 'refined', x: 1, accuracy: 76.8 },
];
