/** The tables of the paper (arXiv 2501.13536) that report accuracies of trained students, number for number. */
import * as arms from './arms.js';
import type { PaperTable, TableRow } from './table.js';

const NEXTQA = ['Tem', 'Cau', 'Des'];
const STAR = ['Interaction', 'Sequence', 'Prediction', 'Feasibility'];
const INTENTQA = ['Why', 'How', 'Tem'];
const ALL_GROUPS = { nextqa: NEXTQA, star: STAR, intentqa: INTENTQA, shapes: NEXTQA };

/** A row of another model: printed numbers of NExT-QA, and of STAR. */
const other = (name: string, nextqa: (number | null)[], star: (number | null)[] = []): TableRow => ({
  name,
  paper: { nextqa, star: star.length > 0 ? star : [null, null, null, null, null] },
});

const TABLE_1: PaperTable = {
  number: 1,
  title: 'Model comparison on NExT-QA and STAR',
  columns: ALL_GROUPS,
  rows: [
    other('Just Ask', [51.4, 49.6, 63.1, 52.3]),
    other('All-in-One', [48.6, 48.0, 63.2, 50.6], [47.5, 50.8, 47.7, 44.0, 48.9]),
    other('MIST', [56.6, 54.6, 66.9, 57.1], [55.5, 54.2, 54.2, 44.4, 54.0]),
    other('HiTeA', [58.3, 62.4, 75.6, 63.1]),
    other('InternVideo', [58.5, 62.5, 75.8, 63.2], [62.7, 65.6, 54.9, 51.9, 58.7]),
    other('LLaMA-VQA', [69.2, 72.7, 75.8, 72.0], [66.2, 67.9, 57.2, 52.7, 65.4]),
    other('MotionEpic', [74.6, 75.8, 83.3, 76.0], [71.5, 72.6, 66.6, 62.7, 71.0]),
    other('Vamos', [72.3, 74.8, 81.6, 75.0]),
    other('LSTP', [66.5, 72.8, 81.2, 72.1]),
    other('SeViLA', [67.0, 73.8, 81.8, 73.8], [66.4, 70.3, 61.2, 55.7, 67.2]),
    other('VidF4', [69.6, 74.2, 83.3, 74.1], [68.4, 70.4, 60.9, 59.4, 68.1]),
    other('ViLA', [71.4, 73.6, 81.4, 74.1], [70.0, 70.4, 61.2, 55.7, 67.2]),
    {
      name: 'ReasVQA (ours)',
      arm: arms.reasvqa,
      paper: { nextqa: [73.0, 77.7, 82.8, 77.0], star: [75.9, 76.6, 67.3, 62.0, 74.5] },
    },
  ],
};

const TABLE_2: PaperTable = {
  number: 2,
  title: 'Model comparison on IntentQA',
  columns: ALL_GROUPS,
  rows: [
    { name: 'HQGA', paper: { intentqa: [48.2, 54.3, 41.7, 47.7] } },
    { name: 'VTG', paper: { intentqa: [51.4, 56.0, 47.6, 51.3] } },
    { name: 'BlindGPT', paper: { intentqa: [52.2, 61.3, 43.4, 51.6] } },
    { name: 'CaVIR', paper: { intentqa: [58.4, 65.5, 50.5, 57.6] } },
    { name: 'Vamos', paper: { intentqa: [69.5, 70.2, 65.0, 68.5] } },
    { name: 'MotionEpic', paper: { intentqa: [null, null, null, 70.8] } },
    { name: 'LVNet', paper: { intentqa: [75.2, 71.6, 60.8, 71.1] } },
    { name: 'ReasVQA (ours)', arm: arms.reasvqa, paper: { intentqa: [75.6, 93.3, 69.1, 77.0] } },
  ],
};

/** Totals alone, in the order of the paper's columns. */
const totals = (nextqa: number, star: number, intentqa: number): TableRow['paper'] => ({
  nextqa: [nextqa],
  star: [star],
  intentqa: [intentqa],
});

const LLAVA = { modelType: 'llava_onevision', title: 'LLaVA-OneVision' };

const TABLE_3: PaperTable = {
  number: 3,
  title: 'ReasVQA improves the performance of different models',
  columns: {},
  baseline: arms.qa.name,
  rows: [
    { name: 'BLIP-FlanT5(3B)', arm: arms.qa, paper: totals(74.5, 71.0, 73.0) },
    { name: 'BLIP-FlanT5(3B) w. ReasVQA', arm: arms.reasvqa, paper: totals(77.0, 74.5, 77.0) },
    {
      name: 'LLaVA-OV(0.5B)',
      arm: arms.llava('0.5b', arms.qa),
      paper: totals(64.2, 60.0, 58.9),
      student: LLAVA,
    },
    {
      name: 'LLaVA-OV(0.5B) w. ReasVQA',
      arm: arms.llava('0.5b', arms.reasvqa),
      paper: totals(65.8, 61.5, 63.2),
      student: LLAVA,
      baseline: 'llava-0.5b-qa',
    },
    {
      name: 'LLaVA-OV(7B)',
      arm: arms.llava('7b', arms.qa),
      paper: totals(77.5, 66.2, 74.1),
      student: LLAVA,
    },
    {
      name: 'LLaVA-OV(7B) w. ReasVQA',
      arm: arms.llava('7b', arms.reasvqa),
      paper: totals(78.9, 68.2, 77.6),
      student: LLAVA,
      baseline: 'llava-7b-qa',
    },
  ],
};

const TABLE_5: PaperTable = {
  number: 5,
  title: 'The impact of different training approaches',
  columns: {},
  baseline: arms.qa.name,
  rows: [
    { name: 'STL QA', arm: arms.qa, paper: totals(75.4, 71.0, 73.3) },
    { name: 'STL CR', arm: arms.stlCorrect, paper: totals(74.2, 71.9, 74.4) },
    { name: 'STL All', arm: arms.stlAll, paper: totals(73.3, 70.6, 70.8) },
    { name: 'MTL CR', arm: arms.mtlCorrect, paper: totals(76.2, 72.9, 76.1) },
    { name: 'MTL All', arm: arms.mtlAll, paper: totals(76.8, 73.2, 77.0) },
  ],
};

/** On the built-in world, descriptive questions about what happens need several frames too. */
const TABLE_6: PaperTable = {
  number: 6,
  title: 'Model comparison on the ATP-hard subset',
  subset: 'atp-hard',
  columns: { nextqa: ['Cau', 'Tem'], shapes: ['Cau', 'Tem', 'Des'] },
  rows: [
    { name: 'Temporal[ATP]', paper: { nextqa: [38.4, 36.5, 38.8] } },
    { name: 'GF', paper: { nextqa: [48.7, 50.3, 49.3] } },
    { name: 'VideoAgent', paper: { nextqa: [57.8, 58.8, 58.4] } },
    { name: 'BLIP-FlanT5 (w. ReasVQA)', arm: arms.reasvqa, paper: { nextqa: [69.2, 65.7, 67.7] } },
  ],
};

const TABLE_8: PaperTable = {
  number: 8,
  title: 'Ablation of each component of ReasVQA',
  columns: ALL_GROUPS,
  baseline: arms.reasvqa.name,
  rows: [
    { name: 'ReasVQA (3B)', arm: arms.reasvqa, paper: { star: [75.9, 76.6, 67.3, 62.0, 74.5] } },
    { name: 'w/o. Reasoning', arm: arms.qa, paper: { star: [71.4, 73.5, 63.0, 62.7, 71.0] } },
    { name: 'w/o. LoRA', arm: arms.withoutLora, paper: { star: [68.5, 71.1, 59.3, 58.0, 68.3] } },
    { name: 'w/o. both', arm: arms.withoutBoth, paper: { star: [65.1, 69.3, 58.7, 58.0, 66.0] } },
  ],
};

const TABLE_9: PaperTable = {
  number: 9,
  title: 'Influence of different linguistic materials',
  columns: ALL_GROUPS,
  baseline: arms.qa.name,
  rows: [
    { name: 'InternVL (26B)', paper: { star: [66.0, 68.9, 63.8, 62.2, 67.0] } },
    { name: 'QA only', arm: arms.qa, paper: { star: [71.4, 73.5, 63.0, 62.7, 71.0] } },
    { name: 'w. Cap brief', arm: arms.captionsBrief, paper: { star: [70.7, 73.1, 64.4, 61.4, 70.7] } },
    { name: 'w. Cap detailed', arm: arms.captionsDetailed, paper: { star: [72.1, 73.7, 65.2, 63.1, 71.7] } },
    { name: 'w. Reasoning', arm: arms.mtlAll, paper: { star: [74.1, 76.0, 62.3, 61.8, 73.2] } },
  ],
};

/** The settings that are columns in the paper are rows here, since each is a run of its own. */
const TABLE_10: PaperTable = {
  number: 10,
  title: 'Original and refined reasoning generated by a smaller teacher, InternVL(4B)',
  columns: {},
  rows: [
    {
      name: '75% CR',
      key: 'correct-0.75',
      settings: { ...correct(), 'train.reasoningFraction': 0.75 },
      at: 0,
    },
    { name: 'CR', key: 'correct', settings: correct(), at: 1 },
    { name: 'All', key: 'all', settings: {}, at: 2 },
  ].flatMap(({ name, key, settings, at }): TableRow[] => {
    const original = arms.smallerTeacher(`smaller-original-${key}`, 'smallerOriginal', settings);
    const refined = arms.smallerTeacher(`smaller-refined-${key}`, 'smallerRefined', settings);
    const printed = (nextqa: number[], intentqa: number[]) => ({
      nextqa: [nextqa[at]!],
      intentqa: [intentqa[at]!],
    });
    return [
      {
        name: `Original, ${name}`,
        arm: original,
        paper: printed([75.0, 75.9, 75.5], [75.0, 75.7, 75.7]),
      },
      {
        name: `Refined, ${name}`,
        arm: refined,
        paper: printed([75.9, 76.2, 76.5], [76.3, 76.3, 76.4]),
        baseline: original.name,
      },
    ];
  }),
};

function correct() {
  return { 'train.reasoningSet': 'correct' };
}

/** Tables 4 and 7 report a teacher's accuracy and the sizes of data sets: nothing is trained for them. */
export const PAPER_TABLES: readonly PaperTable[] = [
  TABLE_1,
  TABLE_2,
  TABLE_3,
  TABLE_5,
  TABLE_6,
  TABLE_8,
  TABLE_9,
  TABLE_10,
];
