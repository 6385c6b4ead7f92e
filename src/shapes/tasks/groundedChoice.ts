/**
 * Grounded choices: an option, and when what decides it happens. Causes and reactions of touches; in long clips excursions,
 * which nobody sees who looks at four uniform frames.
 */
import { Rng } from '../../base/random.js';
import { answerShares, LeastChosen, type Shares } from '../balance.js';
import { askAll, placeAnswer, type ShapesQuestion, TYPE_OF } from '../questions.js';
import type { Clip } from '../scene.js';
import { excursionQuestion, excursionsOf } from './excursion.js';
import { sampleOf, someOf, spanOfBeats, type TaskRow, type TaskSplit } from './rows.js';

type Asked = Pick<ShapesQuestion, 'question' | 'right' | 'options' | 'answer'> & {
  kind: string;
  type: string;
  /** First and last beat of what decides it. */
  beats: [number, number];
  /** Its right answer within its kind. */
  shares: Shares;
};

/** Excursions are asked as often as causes and reactions together; each has this share of its own. */
const EXCURSION_SHARE = 55;

export function groundedChoiceRows({ clips, seed, questionsPerClip }: TaskSplit): TaskRow[] {
  const rng = new Rng(`${seed}/grounded-choice`);
  const chosen = new LeastChosen();
  let positions: number[] = [];
  return clips.flatMap(({ video, clip }) => {
    const open = rng.shuffle([...touchesOf(clip, rng), ...excursionChoices(clip, rng)]);
    const rows: TaskRow[] = [];
    const count = someOf(open.length, questionsPerClip);
    while (rows.length < count) {
      const asked = chosen.take(open, sharesOf)!;
      if (positions.length === 0) positions = rng.shuffle([0, 1, 2, 3, 4]);
      const { question, options, answer } = placeAnswer(asked, positions.pop()!, rng);
      rows.push({
        kind: asked.kind,
        sample: sampleOf({ video, clip }, `grounded${rows.length}`, {
          task: 'grounded-choice',
          question: `${question}?`,
          options: options.map((option) => `${option}.`),
          answer,
          spans: [spanOfBeats(clip, ...asked.beats)],
          type: asked.type,
        }),
      });
    }
    return rows;
  });
}

/** An answer's share within its kind, and that each beat has the same. */
function sharesOf({ kind, beats, shares }: Asked): Shares {
  return { ...shares, [`${kind} at ${beats[0]}`]: 10 };
}

function touchesOf(clip: Clip, rng: Rng): Asked[] {
  return askAll(clip, rng).flatMap((asked) => {
    const { template, evidence } = asked;
    if (template !== 'cause' && template !== 'reaction') return [];
    const [beat] = evidence.beats as [number];
    return [
      {
        ...asked,
        kind: template,
        type: TYPE_OF[template],
        beats: [beat, beat],
        shares: answerShares(asked),
      },
    ];
  });
}

function excursionChoices(clip: Clip, rng: Rng): Asked[] {
  return excursionsOf(clip).flatMap((excursion): Asked[] => {
    const asked = excursionQuestion(clip, excursion);
    if (asked === undefined) return [];
    const { question, right, others, absent } = asked;
    const wrong = [...rng.shuffle(others), ...rng.shuffle(absent)].slice(0, 4);
    return [
      {
        question,
        right,
        options: [right, ...wrong],
        answer: 0,
        kind: 'excursion',
        type: 'excursion',
        beats: [excursion.out.beat, excursion.back.beat],
        shares: { [`excursion/${right}`]: EXCURSION_SHARE / 6 },
      },
    ];
  });
}
