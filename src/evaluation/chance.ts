/** Chance levels: what guesses reach that have not seen the video, by the same metrics. */
import { groupBy } from '../base/groups.js';
import { Rng } from '../base/random.js';
import { type Sample, type Span, type Task, taskOf } from '../data/sample.js';
import { scoredAs } from './rules.js';
import { scoreTasks, type TaskPrediction, type TaskScores } from './taskScore.js';

/** Guesses whose scores are averaged where they are drawn; up to 6 options are then guessed equally often. */
const DRAWS = 60;

/** A guess about one of `samples`; undefined where there is nothing to guess from. */
type Guess = (sample: Sample, place: number, draw: number) => TaskPrediction;

interface Guesser {
  draws: number;
  /**
   * @param samples that are scored. @param learned samples of the same kind that were trained on.
   */
  make(samples: readonly Sample[], learned: readonly Sample[], rng: Rng): Guess | undefined;
}

const option = ({ options }: Sample, place: number, draw: number) => (place + draw) % options.length;

const GUESSERS: Record<Task, Guesser> = {
  choice: {
    draws: DRAWS,
    make: () => (sample, place, draw) => ({ prediction: option(sample, place, draw) }),
  },
  open: {
    draws: 1,
    make: (_, learned) => {
      const texts = (samples: readonly Sample[]) =>
        samples.flatMap(({ answers = [] }) => answers.slice(0, 1));
      const all = mostFrequent(texts(learned));
      if (all === undefined) return undefined;
      const byType = new Map(
        [...groupBy(learned, ({ type }) => type)].map(([type, own]) => [type, mostFrequent(texts(own))]),
      );
      return ({ type }) => ({ text: byType.get(type) ?? all });
    },
  },
  caption: {
    draws: 1,
    make: (samples, _, rng) => {
      const videos = new Set(samples.map(({ video }) => video));
      if (videos.size < 2) return undefined;
      return ({ video }) => {
        let other: Sample;
        do other = rng.pick(samples);
        while (other.video === video);
        return { text: other.captions?.[0] ?? '' };
      };
    },
  },
  ground: {
    draws: DRAWS,
    make: (_, learned, rng) => {
      const spans = drawSpans(learned, rng);
      return spans && ((sample) => ({ span: spans(sample) }));
    },
  },
  'grounded-choice': {
    draws: DRAWS,
    make: (_, learned, rng) => {
      const spans = drawSpans(learned, rng);
      return (
        spans && ((sample, place, draw) => ({ span: spans(sample), prediction: option(sample, place, draw) }))
      );
    },
  },
};

/** Draws a span of a sample that was trained on: the same part of the video where both lengths are known, else the same seconds. */
function drawSpans(learned: readonly Sample[], rng: Rng): ((sample: Sample) => Span) | undefined {
  const known = learned.flatMap(({ spans = [], duration }) => spans.map((span) => ({ span, duration })));
  if (known.length === 0) return undefined;
  return ({ duration }) => {
    const { span, duration: own } = rng.pick(known);
    const scale = duration === undefined || own === undefined ? 1 : duration / own;
    return [span[0] * scale, span[1] * scale];
  };
}

function mostFrequent(texts: readonly string[]): string | undefined {
  const groups = [...groupBy(texts, (text) => text)];
  const most = Math.max(...groups.map(([, own]) => own.length));
  return groups.find(([, own]) => own.length === most)?.[0];
}

/**
 * Scores with the chance level of every metric. An option is guessed; an open answer is the most frequent first answer to training
 * questions of its type; a caption that of a random other video of the split; a span that of a random training sample.
 *
 * @param samples that were scored. @param learned what was trained on; without any, open answers and spans have no chance level.
 */
export function withChance(
  scores: TaskScores,
  samples: readonly Sample[],
  learned: readonly Sample[],
): TaskScores {
  const trained = groupBy(learned, scoredAs);
  const all: TaskScores = { ...scores };
  for (const [name, own] of groupBy(samples, scoredAs)) {
    const score = scores[name];
    const { draws, make } = GUESSERS[taskOf(own[0]!)];
    const guess = make(own, trained.get(name) ?? [], new Rng(`chance/${name}`));
    if (!score || !guess) continue;
    const drawn = Array.from({ length: draws }, (_, draw) => {
      const guesses = new Map(own.map((sample, place) => [sample.id, guess(sample, place, draw)]));
      return scoreTasks(own, guesses)[name]!.metrics;
    });
    const mean = (metric: string) => drawn.reduce((sum, metrics) => sum + metrics[metric]!, 0) / draws;
    const chance = Object.fromEntries(Object.keys(drawn[0]!).map((metric) => [metric, mean(metric)]));
    all[name] = { ...score, chance };
  }
  return all;
}
