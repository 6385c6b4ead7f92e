/** The built-in teacher: its share of errors, its steps, its recognition of clips. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { readAnnotations } from '../../src/data/annotations.js';
import { optionLetter, type Sample } from '../../src/data/sample.js';
import { predictedAnswer } from '../../src/reasoning/answer.js';
import { refine } from '../../src/reasoning/refine.js';
import { type EventsLine, makeShapes } from '../../src/shapes/dataset.js';
import { FrameIndex } from '../../src/shapes/frameIndex.js';
import { factsOf } from '../../src/shapes/language.js';
import { lookUp } from '../../src/shapes/questions.js';
import { reasoningSteps } from '../../src/shapes/reasoning.js';
import { renderFrames, sampleFrames } from '../../src/shapes/render.js';
import type { Clip } from '../../src/shapes/scene.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { ShapesTeacher, type TeacherReply } from '../../src/shapes/teacher.js';
import { composeAnswer, ENDINGS } from '../../src/shapes/teacherText.js';
import { truthOf } from './oracle.js';

let folder: string;
let clips: Map<string, Clip>;
let samples: Sample[];
let teacher: ShapesTeacher;
let replies: { sample: Sample; clip: Clip; reply: TeacherReply }[];

async function encode(
  frames: { data: Uint8Array; n: number; height: number; width: number },
  as: 'png' | 'jpeg' = 'png',
) {
  const { data, n, height, width } = frames;
  const bytes = height * width * 3;
  return Promise.all(
    Array.from({ length: n }, (_, i) => {
      const image = sharp(data.subarray(i * bytes, (i + 1) * bytes), { raw: { width, height, channels: 3 } });
      return (as === 'png' ? image.png() : image.jpeg({ quality: 80 })).toBuffer();
    }),
  );
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shapes-teacher-'));
  await makeShapes({ out: folder, seed: 11, train: 100, val: 12, test: 4 });
  const lines = (await readFile(join(folder, 'events.jsonl'), 'utf8')).trim().split('\n');
  clips = new Map(
    lines.map((line) => JSON.parse(line) as EventsLine).map(({ video, clip }) => [video, clip]),
  );
  ({ samples } = await readAnnotations({ dataset: 'shapes', file: join(folder, 'train.csv') }));
  teacher = await ShapesTeacher.open({ dataset: folder });
  replies = [];
  for (const sample of samples) {
    const clip = clips.get(sample.video)!;
    const reply = await teacher.answer(
      await encode(sampleFrames(clip, 4)),
      `${sample.question}?`,
      sample.options.map((o) => `${o}.`),
    );
    replies.push({ sample, clip, reply });
  }
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe('ShapesTeacher', () => {
  it('is wrong about 30 to 35 % of the questions, and knows which', () => {
    const wrong = replies.filter(({ sample, reply }) => reply.chosen !== sample.answer);
    expect(wrong.length / replies.length).toBeGreaterThanOrEqual(0.3);
    expect(wrong.length / replies.length).toBeLessThanOrEqual(0.35);
    for (const { sample, reply } of replies) expect(reply.correct).toBe(reply.chosen === sample.answer);
  });

  it('states the option it chose, in a form that reasoning/ reads', () => {
    const read = replies.map(({ sample, reply }) => predictedAnswer(reply.text, sample.options));
    expect(read).toEqual(replies.map(({ reply }) => reply.chosen));
  });

  it('uses every closing phrase of the appendix', () => {
    for (const phrase of [
      /^###Answer: [A-E]$/m,
      /^\*\*Answer\*\*: [A-E]$/m,
      /^###Conclusion: /m,
      /^\*\*Conclusion\*\*: /m,
      /^###Detailed Explanation/m,
      /^The correct answer is/m,
      /^Thus, the correct answer is/m,
      /^Therefore, the correct answer is/m,
      /^Based on these observations/m,
      /^Given these observations and the context/m,
    ]) {
      expect(replies.filter(({ reply }) => phrase.test(reply.text)).length).toBeGreaterThan(10);
    }
    expect(ENDINGS).toHaveLength(10);
  });

  it('leaves useful steps of moderate length when the conclusion is refined away', () => {
    const lengths: number[] = [];
    for (const { sample, reply } of replies) {
      const { refined } = refine(reply.text, {
        ...sample,
        answer: sample.answer!,
        correct: reply.correct!,
        predicted: reply.chosen,
      });
      expect(refined).not.toMatch(/correct answer|###|\*\*|Based on these|Given these/);
      expect(refined).toMatch(/frame/);
      lengths.push(refined.split(/\s+/).length);
    }
    const mean = lengths.reduce((a, b) => a + b, 0) / lengths.length;
    expect(mean).toBeGreaterThan(25);
    expect(mean).toBeLessThan(60);
    expect(Math.max(...lengths)).toBeLessThan(90);
  });

  it('takes only true steps to a right answer, and at least one false step to a wrong one', () => {
    let right = 0;
    let wrong = 0;
    let unread = 0;
    for (const { sample, clip, reply } of replies) {
      const claims = reply.text
        .split(/\n|(?<=\.) /)
        .map((line) => line.replace(/^(\d\.|-) /, ''))
        .filter((line) => /^[A-Z]\w+ .*\.$/.test(line) && !/correct answer/.test(line));
      const verdicts = claims.map((claim, i) => stepHolds(clip, claim, sample.question, claims[i - 1]));
      unread += verdicts.filter((verdict) => verdict === undefined).length;
      if (reply.correct) {
        expect({ text: reply.text, false: claims.filter((_, i) => verdicts[i] === false) }).toEqual({
          text: reply.text,
          false: [],
        });
        right++;
      } else {
        expect({ id: sample.id, text: reply.text, falseSteps: verdicts.includes(false) }).toEqual({
          id: sample.id,
          text: reply.text,
          falseSteps: true,
        });
        wrong++;
      }
    }
    expect([right > 200, wrong > 100]).toEqual([true, true]);
    expect(unread / (right + wrong)).toBeLessThan(0.02);
  });

  it('says the same again, and something else with another seed', async () => {
    const again = await ShapesTeacher.open({ dataset: folder });
    const other = await ShapesTeacher.open({ dataset: folder, seed: 1 });
    let changed = 0;
    for (const { sample, clip, reply } of replies.slice(0, 40)) {
      const images = await encode(sampleFrames(clip, 4));
      expect(await again.answer(images, sample.question, sample.options)).toEqual(reply);
      if ((await other.answer(images, sample.question, sample.options)).text !== reply.text) changed++;
    }
    expect(changed).toBeGreaterThan(20);
  });

  it('keeps its share of mistakes exactly, split by split', async () => {
    for (const errorRate of [0, 0.1, 1]) {
      const own = await ShapesTeacher.open({ dataset: folder, errorRate });
      let wrong = 0;
      for (const { sample, clip } of replies.slice(0, errorRate === 0.1 ? 400 : 30)) {
        const { correct } = await own.answer(
          await encode(sampleFrames(clip, 1)),
          sample.question,
          sample.options,
        );
        if (!correct) wrong++;
      }
      expect(wrong).toBe(errorRate === 0 ? 0 : errorRate === 1 ? 30 : 40);
    }
    await expect(ShapesTeacher.open({ dataset: folder, errorRate: 1.2 })).rejects.toThrow(RangeError);
  });

  it('numbers the frames it was given, whatever their number', async () => {
    const { sample, clip } = replies.find(({ sample, reply }) => sample.type === 'CW' && reply.correct)!;
    for (const n of [1, 2, 8, 16]) {
      const { text } = await teacher.answer(
        await encode(sampleFrames(clip, n)),
        sample.question,
        sample.options,
      );
      const numbers = [...text.matchAll(/frame (\d+)/g)].map((match) => Number(match[1]));
      expect(numbers.length).toBeGreaterThan(0);
      expect(Math.max(...numbers)).toBeLessThanOrEqual(n);
      expect(text).not.toMatch(/from frame (\d+) to frame \1\b/i);
    }
  });

  it('describes the frames and guesses when it does not understand the question', async () => {
    const { clip } = replies[0]!;
    const options = ['a dog', 'a cat', 'a bird'];
    const reply = await teacher.answer(await encode(sampleFrames(clip, 4)), 'which animal is it?', options);
    expect(reply.correct).toBeUndefined();
    expect(reply.text).toMatch(/At the start, the .* is at the .* and the /);
    expect(predictedAnswer(reply.text, options)).toBe(reply.chosen);
  });

  it('names the missing file of a folder that is no dataset', async () => {
    await expect(ShapesTeacher.open({ dataset: join(folder, 'nothing') })).rejects.toThrow(DataError);
    await expect(ShapesTeacher.open({ dataset: join(folder, 'nothing') })).rejects.toThrow(
      'not a complete shapes dataset',
    );
    const broken = await mkdtemp(join(tmpdir(), 'shapes-broken-'));
    await writeFile(join(broken, 'shapes.json'), '{"settings": {"size": 64}}');
    await writeFile(join(broken, 'events.jsonl'), '{"video":');
    await expect(ShapesTeacher.open({ dataset: broken })).rejects.toThrow(
      `${broken}: not a complete shapes dataset`,
    );
    await rm(broken, { recursive: true });
  });
});

const WORDS = ['zero', 'one', 'two', 'three', 'four', 'five'];
const LOOKS = {
  'is round': 'circle',
  'has four sides': 'square',
  'has three sides': 'triangle',
  'has five points': 'star',
  'has four arms': 'cross',
};

/** Whether one sentence of the reasoning (frames 1 to 4) is true; undefined for laws and for counts of things listed. */
function stepHolds(clip: Clip, step: string, question: string, before = ''): boolean | undefined {
  const text = step.replace(/\.$/, '');
  const find = (name: string) => {
    const [colour, shape] = name.replace(/^the /, '').split(' ');
    return clip.objects.findIndex((o) => o.colour === colour && (shape === 'object' || o.shape === shape));
  };
  let match = /^In frame (\d), (the .+)$/.exec(text);
  if (match) {
    const beat = Number(match[1]) - 1;
    return match[2]!.split(/, | and (?=the)/).every((part) => {
      const [, name, place] = /^(the \w+ \w+) is at the (.+)$/.exec(part)!;
      const colour = name!.split(' ')[1]!;
      return find(name!) >= 0 && truthOfPlace(clip, colour, place!, beat);
    });
  }
  match =
    /^(?:From frame (\d) to frame (\d), |After the touch, )?[Tt]he (\w+ \w+) (moves|stays still|is pushed|vanishes|shrinks|grows|changes colour|turns|touches)(?: (\w+))?(?: and touches the (\w+ \w+))?(?: (\w+ \w+))?$/.exec(
      text,
    );
  if (match) return actionHolds(clip, match, find);
  match = /^(?:.* make things \w+|.* push things away|.* paint things), so the (\w+ \w+) (.+)$/.exec(text);
  if (match) return clip.events.some((e) => e.kind !== 'move' && e.object === find(match![1]!));
  match = /^There is no (.+) object$/.exec(text);
  if (match)
    return match[1]!.split(/, | or /).every((colour) => clip.objects.every((o) => o.colour !== colour));
  match = /^The background of every frame is (\w+)$/.exec(text);
  if (match) return clip.background === match[1];
  match = /^In every frame, the (\w+) object (.+), so it is a (\w+)$/.exec(text);
  if (match)
    return clip.objects.some(
      (o) =>
        o.colour === match![1] && o.shape === match![3] && LOOKS[match![2] as keyof typeof LOOKS] === o.shape,
    );
  match = /^In frame (\d), there is (a .+)$/.exec(text);
  if (match) return listingHolds(clip, Number(match[1]), match[2]!.split(/, | and /));
  match = /^It does not move (\w+) or (\w+)$/.exec(text);
  if (match) return match.slice(1).every((way) => !truthOf(clip, question, `it moved ${way}`));
  match = /^The number of objects( that move)? is (\w+)$/.exec(text);
  if (match) {
    if (match[1] === undefined) return countIs(clip, before, WORDS.indexOf(match[2]!));
    return truthOf(clip, 'how many objects moved', match[2]!);
  }
  if (/^From frame 1 to frame 4, every object stays still$/.test(text)) return false;
  return undefined;
}

/** The number of objects in the frame that the step before lists. */
function countIs(clip: Clip, before: string, number: number): boolean {
  const frame = Number(/^In frame (\d), there is/.exec(before)![1]);
  const gone = clip.events.filter((e) => e.kind === 'vanish' && e.beat < frame).length;
  return clip.objects.length - gone === number;
}

/** "In frame 2, there is a red star and a blue cross": everything listed is there, in the colour it has then. */
function listingHolds(clip: Clip, frame: number, listed: string[]): boolean {
  return listed.every((thing) =>
    clip.objects.some((object, i) => {
      const own = clip.events.filter((e) => e.object === i && e.beat < frame);
      const paint = own.find((e) => e.kind === 'paint');
      const colour = paint?.kind === 'paint' ? clip.objects[paint.cause]!.colour : object.colour;
      return !own.some((e) => e.kind === 'vanish') && thing === `a ${colour} ${object.shape}`;
    }),
  );
}

function truthOfPlace(clip: Clip, colour: string, place: string, beat: number): boolean {
  let cell: number | undefined = clip.objects.find((o) => o.colour === colour)?.cell;
  const object = clip.objects.findIndex((o) => o.colour === colour);
  for (const event of clip.events) {
    if (event.object !== object || event.beat > beat) continue;
    if (event.kind === 'vanish') cell = undefined;
    if (event.kind === 'move' || event.kind === 'push') cell = event.to;
  }
  const names = [
    'top left',
    'top',
    'top right',
    'left',
    'centre',
    'right',
    'bottom left',
    'bottom',
    'bottom right',
  ];
  return cell !== undefined && names[cell] === place;
}

function actionHolds(clip: Clip, match: RegExpExecArray, find: (name: string) => number): boolean {
  const [, from, to, name, verb, word, touched, rest] = match;
  const object = find(name!);
  if (object < 0) return false;
  const beats =
    from === undefined ? [1, 2, 3] : [1, 2, 3].filter((beat) => beat >= Number(from) && beat < Number(to));
  const own = clip.events.filter((e) => e.object === object && beats.includes(e.beat));
  const kinds = { vanishes: 'vanish', shrinks: 'shrink', grows: 'grow', 'changes colour': 'paint' } as const;
  if (verb === 'stays still') return own.every((e) => e.kind !== 'move' && e.kind !== 'push');
  if (verb === 'touches') {
    const target = find(`${word} ${rest}`);
    return own.some((e) => e.kind === 'move' && e.target === target) || hits(clip, object, match[0]!, find);
  }
  if (verb === 'moves' && word === 'away') return own.some((e) => e.kind === 'push');
  if (verb === 'moves') {
    return own.some(
      (e) =>
        (e.kind === 'move' || e.kind === 'push') &&
        e.direction === word &&
        (touched === undefined || (e.kind === 'move' && e.target === find(touched))),
    );
  }
  if (verb === 'is pushed') return own.some((e) => e.kind === 'push' && e.direction === word);
  if (verb === 'turns') return own.some((e) => e.kind === 'paint' && clip.objects[e.cause]!.colour === word);
  return own.some((e) => e.kind === kinds[verb as keyof typeof kinds]);
}

function hits(clip: Clip, object: number, sentence: string, find: (name: string) => number): boolean {
  const target = /touches the (\w+ \w+)$/.exec(sentence)?.[1];
  return (
    target !== undefined &&
    clip.events.some((e) => e.kind === 'move' && e.object === object && e.target === find(target))
  );
}

describe('reasoningSteps', () => {
  it('gives other steps for each option, and fits every template', () => {
    for (const { sample, clip } of replies.slice(0, 200)) {
      const facts = factsOf(clip);
      const posed = lookUp(facts, sample.question)!;
      const texts = sample.options.map((claim) =>
        reasoningSteps(facts, posed, sample.options, claim, {
          frameOf: (beat) => beat + 1,
          rng: new Rng(1),
        }).join(' '),
      );
      expect(new Set(texts).size).toBe(5);
    }
  });
});

describe('composeAnswer', () => {
  it('states the letter once, or twice the same', () => {
    const rng = new Rng('compose');
    for (let i = 0; i < 100; i++) {
      const text = composeAnswer(['One step.'], ['red', 'green', 'blue'], i % 3, rng);
      const letters = [...text.matchAll(/(?:Answer(?:\*\*)?: |answer is )([A-E])/g)].map((match) => match[1]);
      expect(letters.length).toBeGreaterThan(0);
      expect(new Set(letters)).toEqual(new Set([optionLetter(i % 3)]));
      expect(text).not.toMatch(/\{[LT]\}/);
    }
  });
});

describe('FrameIndex', () => {
  const some = Array.from({ length: 30 }, (_, i) => simulateClip(`index-test/${i}`));
  const index = new FrameIndex(some, 64);

  it('recognises every frame exactly from its pixels', async () => {
    for (const clip of some.slice(0, 5)) {
      const all = Array.from({ length: clip.frames }, (_, i) => i);
      const found = await index.recognise(await encode(renderFrames(clip, all)));
      expect(found.clip).toBe(clip);
      const drawn = renderFrames(clip, found.frames);
      expect(Buffer.compare(drawn.data, renderFrames(clip, all).data)).toBe(0);
    }
  });

  it('recognises frames that were compressed or drawn larger', async () => {
    for (const clip of some) {
      expect((await index.recognise(await encode(sampleFrames(clip, 4), 'jpeg'))).clip).toBe(clip);
      expect((await index.recognise(await encode(sampleFrames(clip, 4, 192)))).clip).toBe(clip);
    }
  });

  it('says which image is unknown, broken or of another clip', async () => {
    const stranger = await encode(sampleFrames(simulateClip('index-test/stranger'), 4));
    const known = await encode(sampleFrames(some[0]!, 4));
    await expect(index.recognise([known[0]!, stranger[1]!])).rejects.toThrow(
      'image 2 of 2 shows no clip that I know',
    );
    await expect(index.recognise([known[0]!, Buffer.from('no image')])).rejects.toThrow(
      'image 2 cannot be read',
    );
    const second = await encode(sampleFrames(some[1]!, 4));
    await expect(index.recognise([known[0]!, second[1]!])).rejects.toThrow('the images show different clips');
  });
});
