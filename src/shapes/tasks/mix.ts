/**
 * MixVidQA on shapes (VersaVid-R1's second proxy task): pieces of two clips alternate, and the question is about an object that
 * one of them has alone. What the other clip shows answers it wrongly.
 */
import { Rng } from '../../base/random.js';
import type { Frames } from '../../video/frames.js';
import { alternate, cutPieces } from '../../video/pieces.js';
import { answerShares, LeastChosen } from '../balance.js';
import { nameOf } from '../language.js';
import { askAll, optionOf, type ShapesQuestion, type Template } from '../questions.js';
import { renderAll } from '../render.js';
import { type Clip, COLOURS, restStates } from '../scene.js';
import { acceptedAnswers } from './open.js';
import { sampleOf, secondsOf, type TaskRow, type TaskSplit } from './rows.js';

/** A film of two clips. */
export interface MixVideo {
  video: string;
  task: 'mix';
  /** The clips' own videos; the question is about the first. */
  of: [string, string];
  /** Lengths of the pieces in frames, laid alternately, and which clip has the first. */
  pieces: [number[], number[]];
  first: 0 | 1;
}

/** The names in these questions tell no answer: not the start or end of a film of two, nor what a shape's touch does. */
const ASKED: readonly Template[] = ['cause', 'manner', 'after', 'before'];

/** One film and one question about each clip that has a partner in its split. */
export function mixRows({ clips, seed }: TaskSplit): { rows: TaskRow[]; videos: MixVideo[] } {
  const rng = new Rng(`${seed}/mix`);
  const chosen = new LeastChosen();
  const rows: TaskRow[] = [];
  const videos: MixVideo[] = [];
  const shown = clips.map((each) => ({ ...each, ...shownBy(each.clip) }));
  for (const own of shown) {
    const others = rng.shuffle(shown.filter((other) => other !== own));
    const open = rng.shuffle(askAll(own.clip, rng).filter((asked) => isAskable(own.clip, asked)));
    for (let found = false; !found && open.length > 0; ) {
      const asked = chosen.take(open, answerShares)!;
      const partner = others.find((other) => isAboutOne(own.clip, other, asked));
      if (partner === undefined) continue;
      found = true;
      const video = `${own.video}-mix`;
      const pieces: [number[], number[]] = [cutClip(own.clip, rng), cutClip(partner.clip, rng)];
      videos.push({ video, task: 'mix', of: [own.video, partner.video], pieces, first: rng.int(2) as 0 | 1 });
      rows.push({ kind: asked.template, sample: sampleFor(video, own.clip, partner.clip, asked) });
    }
  }
  return { rows, videos };
}

/** The frames of two clips laid alternately, piece by piece. */
export function mixFrames(clips: readonly [Clip, Clip], { pieces, first }: MixVideo, size: number): Frames {
  const both = clips.map((clip) => renderAll(clip, size)) as [Frames, Frames];
  const bytes = size * size * 3;
  const data = new Uint8Array(both[0].data.length + both[1].data.length);
  let at = 0;
  for (const { side, from, to } of alternate(pieces, first)) {
    data.set(both[side].data.subarray(from * bytes, to * bytes), at);
    at += (to - from) * bytes;
  }
  const n = both[0].n + both[1].n;
  const indices = Array.from({ length: n }, (_, i) => i);
  return { data, n, height: size, width: size, indices, timestamps: indices.map(secondsOf) };
}

/** Pieces of 2 or 3 of 16 frames, and of as much of a longer clip. */
function cutClip({ frames }: Clip, rng: Rng): number[] {
  return cutPieces(
    frames,
    Math.max(2, Math.round(frames / 8)),
    Math.max(3, Math.round((frames * 3) / 16)),
    rng,
  );
}

function sampleFor(video: string, own: Clip, partner: Clip, asked: ShapesQuestion) {
  const frames = own.frames + partner.frames;
  return sampleOf({ video, clip: { frames } }, '0', {
    task: 'open',
    question: `${byShape(own, asked.question)}?`,
    answers: acceptedAnswers(own, asked),
    type: 'mix',
  });
}

/** The question with its objects named by colour and shape. */
export function byShape(clip: Clip, question: string): string {
  return clip.objects.reduce(
    (text, { colour }, i) => text.replaceAll(`the ${colour} object`, `the ${nameOf(clip, i)}`),
    question,
  );
}

/** Whether no other object of the clip shows the colour and shape of one that the question names. */
function isAskable(clip: Clip, asked: ShapesQuestion): boolean {
  if (!ASKED.includes(asked.template)) return false;
  return namedIn(clip, asked).every((name) => looksOf(clip).filter((look) => look === name).length === 1);
}

/** What a clip shows: looks of objects, and all that answers a question about it. */
function shownBy(clip: Clip): { looks: string[]; told: Set<string> } {
  const answers = askAll(clip, new Rng('all')).map(({ right }) => right);
  return { looks: looksOf(clip), told: new Set([...answers, ...clip.events.map(optionOf)]) };
}

/** Whether another clip shows none of the objects that a question names, and nothing that answers it rightly. */
function isAboutOne(own: Clip, { looks, told }: ReturnType<typeof shownBy>, asked: ShapesQuestion): boolean {
  return !told.has(asked.right) && !namedIn(own, asked).some((name) => looks.includes(name));
}

/** Colour and shape of the objects that a question names. */
function namedIn(clip: Clip, { evidence }: ShapesQuestion): string[] {
  const [subject] = evidence.objects as [number];
  const objects = evidence.anchor ? [subject, evidence.anchor.object] : [subject];
  return objects.map((object) => nameOf(clip, object));
}

/** Every colour and shape that an object shows at some time, once for each object. */
function looksOf(clip: Clip): string[] {
  const states = restStates(clip);
  return clip.objects.flatMap(({ shape }, i) => [
    ...new Set(states.map((beat) => `${COLOURS[beat[i]!.colour]} ${shape}`)),
  ]);
}
