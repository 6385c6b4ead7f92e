/** Samples of every task: true, balanced, in the tokenizer's words, and not to be guessed. */
import { beforeAll, describe, expect, it } from 'vitest';
import { taskOf } from '../../../src/data/sample.js';
import { QuestionBalancer } from '../../../src/shapes/balance.js';
import { factsOf } from '../../../src/shapes/language.js';
import { REACTION } from '../../../src/shapes/questions.js';
import { beatOfFrame } from '../../../src/shapes/render.js';
import { type Clip, DIRECTIONS } from '../../../src/shapes/scene.js';
import { simulateClip } from '../../../src/shapes/simulate.js';
import { captionsOf } from '../../../src/shapes/tasks/caption.js';
import { chanceOf } from '../../../src/shapes/tasks/chance.js';
import { type AskedChoice, taskRows } from '../../../src/shapes/tasks/index.js';
import {
  framesOfBeats,
  SHAPES_TASKS,
  type ShapesTask,
  spanOfBeats,
  type TaskRow,
} from '../../../src/shapes/tasks/rows.js';
import { Tokenizer } from '../../../src/text/tokenizer.js';
import { effectOf, truthOf } from '../oracle.js';

function clipsOf(name: string, count: number, beats = 4) {
  return Array.from({ length: count }, (_, i) => ({
    video: `${name}-${i}`,
    clip: simulateClip(`tasks-test/${name}/${i}`, beats === 4 ? {} : { frames: 64, beats }),
  }));
}

function rowsOf(task: ShapesTask, clips: { video: string; clip: Clip }[], seed = 'tasks-test'): TaskRow[] {
  const balancer = new QuestionBalancer(seed);
  const choices: AskedChoice[] = clips.flatMap(({ video, clip }) =>
    balancer.choose(clip, 4).map((asked, qid) => ({ video, qid, ...asked })),
  );
  return taskRows(task, { clips, seed, questionsPerClip: 4 }, choices).rows;
}

const short = clipsOf('short', 120);
const long = clipsOf('long', 36, 12);
const clipOf = new Map([...short, ...long].map(({ video, clip }) => [video, clip]));
const all = new Map<ShapesTask, TaskRow[]>();
const longRows = new Map<ShapesTask, TaskRow[]>();
beforeAll(() => {
  for (const task of SHAPES_TASKS) {
    all.set(task, rowsOf(task, short));
    longRows.set(task, rowsOf(task, long));
  }
});
const samplesOf = (task: ShapesTask) =>
  [...all.get(task)!, ...longRows.get(task)!].map(({ sample }) => sample);

describe('samples', () => {
  it('of each task are there, each id once, with their own task', () => {
    const ids = SHAPES_TASKS.flatMap((task) => samplesOf(task).map(({ id }) => id));
    expect(new Set(ids).size).toBe(ids.length);
    for (const task of SHAPES_TASKS) {
      expect(samplesOf(task).length).toBeGreaterThanOrEqual(150);
      const own = task === 'dark' || task === 'mix' ? 'open' : task;
      expect(new Set(samplesOf(task).map(taskOf))).toEqual(new Set([own]));
    }
  });

  it('are the same for the same seed and others for another', () => {
    const few = short.slice(0, 10);
    for (const task of ['open', 'ground', 'grounded-choice', 'dark', 'mix'] as const) {
      expect(rowsOf(task, few, 'a')).toEqual(rowsOf(task, few, 'a'));
      expect(rowsOf(task, few, 'a')).not.toEqual(rowsOf(task, few, 'b'));
    }
  });

  it('have texts of words that the tokenizer of this world has, none unknown', async () => {
    const tokenizer = await Tokenizer.load(new URL('../../../weights/shapes/', import.meta.url).pathname);
    const texts = SHAPES_TASKS.flatMap(samplesOf).flatMap(
      ({ question, options, answers = [], captions = [] }) => [
        ...[question, ...options, ...answers, ...captions],
      ],
    );
    for (const text of new Set(texts)) {
      const ids = tokenizer.encode(text, { addEos: false });
      expect(ids.includes(tokenizer.unkId), text).toBe(false);
      expect({ text, tokens: ids.length }).toEqual({ text, tokens: text.match(/\w+|[^\w\s]/g)!.length });
    }
  });
});

/** A text with the names that the oracle's options have. */
const plain = (text: string) =>
  text.replace(/(?<=the \w+ )(?:circle|square|triangle|star|cross)\b/g, 'object');

/** Whether an accepted text is true, by the oracle's reading of the clip. */
function isTrue(clip: Clip, question: string, text: string): boolean {
  const asked = plain(question).replace(/\?$/, '');
  const subject = /(?:did|is|why did|how did) (the \w+ object)/.exec(asked)?.[1] ?? 'nobody';
  const said = plain(text);
  const forms = [
    said,
    `it ${said}`,
    said.replace(subject, 'it'),
    `${said} touched it`,
    said.replace(new RegExp(` ${subject}$`), ' it'),
    said.replace(/^(?:at )?the /, ''),
  ];
  return forms.some((form) => {
    try {
      return truthOf(clip, asked, form);
    } catch (error) {
      // A form that is no answer to this question.
      if (/knows no effect/.test(String(error))) return false;
      throw error;
    }
  });
}

describe('accepted answers', () => {
  it('of open questions are all true, and tell the right option from every other', () => {
    const verbs = [
      ...DIRECTIONS.map((way) => `it moved ${way}`),
      'it stayed still',
      ...Object.values(REACTION),
    ];
    for (const { video, question, answers } of samplesOf('open')) {
      const clip = clipOf.get(video)!;
      for (const answer of answers!)
        expect(isTrue(clip, question, answer), `${question} ${answer}`).toBe(true);
      if (!answers![0]!.startsWith('it ')) continue;
      for (const verb of verbs) {
        // How something moved is not told by "away".
        if (question.startsWith('how') && question.endsWith('move?') && verb === REACTION.push) continue;
        expect(answers!.includes(verb), `${question} ${verb}`).toBe(isTrue(clip, question, verb));
      }
    }
  });
});

describe('captions', () => {
  it('name every object and tell every event, in three wordings', () => {
    for (const { clip } of short.slice(0, 40)) {
      const texts = captionsOf(factsOf(clip));
      expect(new Set(texts).size).toBe(3);
      for (const text of texts) {
        for (const { colour } of clip.objects) expect(text).toContain(` ${colour} `);
        expect(text.match(/\./g)).toHaveLength(clip.events.length + 1);
      }
    }
  });
});

/** The beat at which the clip does what a question asks for; undefined when it does so more than once. */
function beatAsked(clip: Clip, question: string): number | undefined {
  const [, who, what] = /^when did the (\w+) object (.+)\?$/.exec(question)!;
  const object = clip.objects.findIndex(({ colour }) => colour === who);
  const [, way] = /^move (left|right|up|down)$/.exec(what!) ?? [];
  const [, other] = /^touch the (\w+) object$/.exec(what!) ?? [];
  const fits = clip.events.filter((event) => {
    if (way)
      return (
        event.object === object && (event.kind === 'move' || event.kind === 'push') && event.direction === way
      );
    if (!other) return event.object === object && event.kind === effectOf(what!);
    const [a, b] = [who, other].map((name) => clip.objects.findIndex(({ colour }) => colour === name));
    if (event.kind !== 'move') return false;
    return (event.object === a && event.target === b) || (event.object === b && event.target === a);
  });
  return fits.length === 1 ? fits[0]!.beat : undefined;
}

describe('spans', () => {
  it('are the frames of the beat in which the event happens, which happens once', () => {
    for (const { video, question, spans, duration } of samplesOf('ground')) {
      const clip = clipOf.get(video)!;
      const beat = beatAsked(clip, question);
      expect(beat, `${video}: ${question}`).toBeDefined();
      const [[start, end]] = spans as [[number, number]];
      const times = Array.from({ length: clip.frames }, (_, frame) => frame / 8);
      const inside = times.flatMap((time, frame) => (time >= start && time < end ? [frame] : []));
      expect(new Set(inside.map((frame) => beatOfFrame(clip.frames, frame, clip.beats)))).toEqual(
        new Set([beat]),
      );
      expect(end).toBeLessThanOrEqual(duration!);
      expect(framesOfBeats(clip, beat!)).toEqual([inside[0], inside.at(-1)! + 1]);
    }
  });

  it('cover the clip without a gap, beat by beat', () => {
    for (const { clip } of [short[0]!, long[0]!]) {
      const beats = Array.from({ length: clip.beats ?? 4 }, (_, beat) => spanOfBeats(clip, beat));
      expect([beats[0]![0], beats.at(-1)![1]]).toEqual([0, clip.frames / 8]);
      for (const [i, [, end]] of beats.slice(0, -1).entries()) expect(end).toBe(beats[i + 1]![0]);
    }
  });

  it('of a grounded choice hold what decides it, and its right option alone is true', () => {
    for (const { video, question, options, answer, spans } of samplesOf('grounded-choice')) {
      const clip = clipOf.get(video)!;
      const excursion = /^which object moved (\w+) before it moved (\w+)\?$/.exec(question);
      const right = options.map((option) => {
        const text = option.slice(0, -1);
        if (!excursion) return truthOf(clip, question.slice(0, -1), text);
        const own = clip.events.filter(
          (e) =>
            (e.kind === 'move' || e.kind === 'push') &&
            text === `the ${clip.objects[e.object]!.colour} object`,
        );
        const out = own.filter(({ direction }) => direction === excursion[1]);
        const back = own.filter(({ direction }) => direction === excursion[2]);
        return out.some((o) => back.some((b) => b.beat > o.beat));
      });
      expect(right.indexOf(true), question).toBe(answer);
      expect(right.filter(Boolean)).toHaveLength(1);
      expect(new Set(options).size).toBe(5);
      const within = clip.events.filter(({ beat }) => {
        const [from, to] = spanOfBeats(clip, beat);
        return from >= spans![0]![0] && to <= spans![0]![1];
      });
      expect(within.length).toBeGreaterThan(1);
    }
    expect(
      longRows.get('grounded-choice')!.filter(({ kind }) => kind === 'excursion').length,
    ).toBeGreaterThan(20);
  });
});

describe('without the clip', () => {
  it('a blind answer stays near chance, whatever wording it knows', () => {
    const levels = (task: ShapesTask) => chanceOf(task, all.get(task)!);
    // Of 3 beats, 6 causes, 5 reactions; what is beyond is the choice of the best answer to few samples.
    expect(levels('ground')[0]!.byWording).toBeLessThan(40);
    expect(levels('grounded-choice').map(({ measure }) => measure)).toEqual(['accuracy', 'mIoU']);
    for (const { byWording } of levels('grounded-choice')) expect(byWording).toBeLessThan(40);
    expect(levels('grounded-choice')[0]!.byWording).toBeLessThan(23);
    expect(levels('open')[0]!.byWording).toBeLessThan(23);
    expect(levels('choice')[0]).toMatchObject({ constant: 20, measure: 'accuracy' });
    expect(levels('dark')[0]!.constant).toBeLessThan(10);
    expect(levels('mix')[0]!.byWording).toBeLessThan(25);
    expect(levels('caption')).toEqual([]);
    expect(chanceOf('ground', [])).toEqual([]);
  });

  it('is told for the best constant span by its overlap', () => {
    const row = (start: number, end: number, kind: string): TaskRow => ({
      kind,
      sample: { ...samplesOf('ground')[0]!, spans: [[start, end]] },
    });
    const [level] = chanceOf('ground', [row(0, 1, 'a'), row(1, 2, 'b'), row(1, 2, 'b'), row(0, 2, 'a')]);
    // [0, 2]: (0.5 + 0.5 + 0.5 + 1) / 4; [1, 2]: (0 + 1 + 1 + 0.5) / 4.
    expect(level).toMatchObject({ constant: 62.5, byWording: 87.5, samples: 4 });
  });
});
