import { Rng } from '../../src/base/random.js';
import { refine } from '../../src/reasoning/refine.js';
import type { ReportData } from '../../src/report/data.js';
import { proportionStandardError } from '../../src/report/statistics.js';

/** A report like the demo's, from invented numbers; `text` passes through every text field. */
export function sampleReport(text: (value: string) => string = (value) => value): ReportData {
  const rng = new Rng('report');
  const groups = ['CW', 'CH', 'TN', 'TC', 'TP', 'DL', 'DO', 'DC', 'Total'];
  const row = (name: string, level: number) => ({
    name: text(name),
    cells: groups.map((_, i) => {
      if (i === 4) return null;
      const accuracy = Math.min(1, Math.max(0, level + 0.08 * rng.normal()));
      const n = i === groups.length - 1 ? 800 : 100;
      return { accuracy, n, standardError: proportionStandardError(accuracy, n) };
    }),
  });
  const rows = [row('QA only (β 0)', 0.47), row('ReasVQA (β 0.8)', 0.54)];
  const curve = (from: number, to: number, steps: number, noise: number) =>
    Array.from({ length: steps }, (_, i): [number, number] => [
      i + 1,
      to + (from - to) * Math.exp((-4 * i) / steps) + noise * rng.normal(),
    ]);
  const steps = (from: number, to: number) =>
    [0, 250, 500, 750, 1000].map((x, i): [number, number] => [x, from + ((to - from) * i) / 4]);
  return {
    title: text('Shapes: learning from imperfect reasoning'),
    summary: text(
      'A teacher that errs in a third of its answers explained 2,400 training questions; its conclusions were removed and a 4 M parameter student trained on answers alone (β 0) and on answers and reasoning at once (β 0.8).',
    ),
    setup: [
      { label: text('Engine'), value: text('native-cpu, AVX-512, 2 threads') },
      { label: text('Machine'), value: text('Intel Xeon, 2 cores, 8 GB') },
      { label: text('Time'), value: text('6 min 41 s, of which training 4 min 58 s') },
      {
        label: text('Teacher'),
        value: text('http://127.0.0.1:40113/v1, model shapes-teacher, right in 67.3 % of its answers'),
      },
    ],
    accuracy: {
      caption: text('Validation accuracy by question type, micro average, ± standard error'),
      groups: groups.map(text),
      rows,
      gain: {
        name: text('Gain'),
        cells: groups.map((_, i) => {
          const [a, b] = [rows[0]?.cells[i], rows[1]?.cells[i]];
          return a && b ? { difference: b.accuracy - a.accuracy, standardError: 0.03 } : null;
        }),
      },
    },
    plots: [
      {
        title: text('Answer loss'),
        xLabel: text('step'),
        yLabel: text('loss_qa'),
        series: [
          { name: text('β 0'), points: curve(2.2, 0.9, 1000, 0.12) },
          { name: text('β 0.8'), points: curve(2.2, 0.8, 1000, 0.12) },
        ],
      },
      {
        title: text('Reasoning loss'),
        xLabel: text('step'),
        yLabel: text('loss_reasoning'),
        series: [{ name: text('β 0.8'), points: curve(4, 0.6, 1000, 0.08) }],
      },
      {
        title: text('Validation accuracy'),
        xLabel: text('step'),
        yLabel: text('accuracy'),
        percent: true,
        series: [
          { name: text('β 0'), points: steps(0.21, 0.47) },
          { name: text('β 0.8'), points: steps(0.2, 0.54) },
        ],
      },
    ],
    examples: [example(rng, text, 0), example(rng, text, 1)],
    notes: [text('Standard errors are over questions; three seeds would add the spread of training.')],
  };
}

function example(rng: Rng, text: (value: string) => string, k: number): ReportData['examples'][number] {
  const options = [
    'it was pushed by the blue square',
    'it touched the wall',
    'it turned green',
    'the yellow star vanished',
    'it grew',
  ];
  const said =
    'Step 1: In the first frame a red circle rests on the left and a blue square moves towards it.\n' +
    'Step 2: In the second frame the blue square touches the red circle.\n' +
    'Step 3: Option C fits what is seen, since the circle looks green. The wall is far away.\n\n' +
    'Thus, the correct answer is C: it turned green.\n###Answer: C';
  return {
    id: text(`shapes_${k}_0`),
    type: text('CW'),
    question: text('Why did the red circle start to move to the right?'),
    options: options.map(text),
    answer: 0,
    frames: { n: 4, height: 64, width: 64, data: frames(rng), timestamps: [0, 0.5, 1, 1.5] },
    answers: [
      { name: text('β 0'), predicted: k === 0 ? 3 : null },
      { name: text('β 0.8'), predicted: k === 0 ? 0 : 1 },
    ],
    teacher: {
      name: text('Teacher'),
      predicted: 2,
      parts: refine(said, { options, answer: 0, correct: false, predicted: 2 }).parts.map((part) => ({
        ...part,
        text: part.text.trim() === '' ? part.text : text(part.text),
      })),
    },
    generated: [
      {
        name: text('β 0.8'),
        text: text(
          'In the first frame a blue square moves towards the red circle. In the second frame it touches the red circle and pushes it.',
        ),
      },
    ],
  };
}

/** Four frames of 64 x 64: a square that pushes a circle over a soft ground. */
function frames(rng: Rng): Uint8Array {
  const data = new Uint8Array(4 * 64 * 64 * 3);
  const shade = 225 + rng.int(20);
  for (let f = 0; f < 4; f++) {
    for (let y = 0; y < 64; y++) {
      for (let x = 0; x < 64; x++) {
        const square = Math.abs(x - 8 - 8 * f) < 7 && Math.abs(y - 34) < 7;
        const circle = Math.hypot(x - Math.max(26, 22 + 8 * f), y - 34) < 7;
        const colour = square ? [40, 90, 200] : circle ? [210, 40, 40] : [shade, shade, shade - 8];
        data.set(colour, ((f * 64 + y) * 64 + x) * 3);
      }
    }
  }
  return data;
}
