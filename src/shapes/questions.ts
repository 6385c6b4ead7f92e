/**
 * Questions of the NExT-QA types about a shapes clip. Most options form a closed set (the five other colours, the
 * five reactions, four directions and rest, ...), so the same five texts appear whichever is right and nothing
 * but the clip tells them apart; the objects and events of the clip are among them by construction.
 */
import type { Rng } from '../base/random.js';
import {
  type Candidate,
  type Evidence,
  MOTION,
  MOTIONS,
  others,
  type PosedQuestion,
  type QuestionType,
  REACTION,
  REACTIONS,
  STILL,
  type Template,
  unique,
} from './candidate.js';
import {
  type ClipFacts,
  clipColours,
  colourOf,
  EFFECT_BASE,
  EFFECT_PAST,
  factsOf,
  isMotion,
  NUMBERS,
  placeOf,
  theObject,
} from './language.js';
import { BACKGROUNDS, BEATS, type Clip, COLOURS, LOCATIONS, SHAPES } from './scene.js';
import { temporalQuestions } from './temporal.js';

export interface ShapesQuestion {
  type: QuestionType;
  template: Template;
  question: string;
  /** Five distinct texts; before {@link placeAnswer} the right one is first. */
  options: string[];
  answer: number;
  evidence: Evidence;
}

/** Every question this clip allows, with distractors drawn by `rng` and the right answer first. */
export function askAll(clip: Clip, rng: Rng): ShapesQuestion[] {
  return candidatesOf(factsOf(clip)).map((candidate) => withOptions(candidate, rng));
}

/** The question of ours with this text about this clip, or undefined when there is none. */
export function lookUp(facts: ClipFacts, question: string): PosedQuestion | undefined {
  return candidatesOf(facts).find((candidate) => candidate.question === question);
}

function withOptions(candidate: Candidate, rng: Rng): ShapesQuestion {
  const preferred = rng.shuffle(unique(candidate.preferred ?? []));
  const others = rng.shuffle(candidate.wrong.filter((text) => !preferred.includes(text)));
  const wrong = [...preferred, ...others].filter((text) => text !== candidate.right).slice(0, 4);
  const { type, template, question, evidence } = candidate;
  return { type, template, question, options: [candidate.right, ...wrong], answer: 0, evidence };
}

/** Moves the right answer to `position` and shuffles the others. */
export function placeAnswer(question: ShapesQuestion, position: number, rng: Rng): ShapesQuestion {
  const right = question.options[question.answer]!;
  const options = rng.shuffle(question.options.filter((_, i) => i !== question.answer));
  options.splice(position, 0, right);
  return { ...question, options, answer: position };
}

function candidatesOf(facts: ClipFacts): Candidate[] {
  const all = [
    ...causes(facts),
    ...manners(facts),
    ...temporalQuestions(facts),
    ...places(facts),
    ...descriptions(facts),
    ...counts(facts),
  ];
  // The same words may be asked for with two answers (an object that was pushed and moved by itself): drop both.
  const times = new Map<string, number>();
  for (const { question } of all) times.set(question, (times.get(question) ?? 0) + 1);
  return all.filter(({ question }) => times.get(question) === 1);
}

function causes({ clip }: ClipFacts): Candidate[] {
  const candidates: Candidate[] = [];
  for (const event of clip.events) {
    const colour = clip.objects[event.object]!.colour;
    const base = { type: 'CW' as const, evidence: { objects: [event.object], beats: [event.beat] } };
    if (event.kind === 'move') {
      if (event.target === undefined) continue;
      const target = clip.objects[event.target]!.colour;
      base.evidence.objects.push(event.target);
      candidates.push({
        ...base,
        template: 'purpose',
        question: `why did ${theObject(colour)} move ${event.direction}`,
        right: `to touch ${theObject(target)}`,
        wrong: others(colour, target).map((c) => `to touch ${theObject(c)}`),
      });
    } else {
      const cause = clip.objects[event.cause]!.colour;
      base.evidence.objects.push(event.cause);
      candidates.push({
        ...base,
        template: 'cause',
        question: `why did ${theObject(colour)} ${EFFECT_BASE[event.kind]}`,
        right: `${theObject(cause)} touched it`,
        wrong: others(colour, cause).map((c) => `${theObject(c)} touched it`),
      });
    }
  }
  return candidates;
}

function manners({ clip, actions }: ClipFacts): Candidate[] {
  const candidates: Candidate[] = [];
  clip.objects.forEach(({ colour }, object) => {
    const moves = clip.events.filter((e) => e.object === object && isMotion(e));
    if (moves.length > 1 || actions.some((beat) => beat[object]!.includes('vanish'))) return;
    const right = moves.length === 0 ? STILL : MOTION[moves[0]!.direction!];
    candidates.push({
      type: 'CH',
      template: 'manner',
      question: `how did ${theObject(colour)} move`,
      right,
      wrong: MOTIONS.filter((text) => text !== right),
      evidence: { objects: [object], beats: moves.map((move) => move.beat) },
    });
  });
  for (const event of clip.events) {
    if (event.kind === 'move') continue;
    const subject = theObject(clip.objects[event.object]!.colour);
    const cause = theObject(clip.objects[event.cause]!.colour);
    const right = REACTION[event.kind];
    candidates.push({
      type: 'CH',
      template: 'reaction',
      question: `how did ${subject} react when ${cause} touched it`,
      right,
      wrong: REACTIONS.filter((text) => text !== right),
      evidence: { objects: [event.object, event.cause], beats: [event.beat] },
    });
  }
  return candidates;
}

const MOMENTS = [
  { text: 'at the start', beat: 0 },
  { text: 'at the end', beat: BEATS - 1 },
] as const;

function places(facts: ClipFacts): Candidate[] {
  const candidates: Candidate[] = [];
  for (const { text, beat } of MOMENTS) {
    facts.clip.objects.forEach(({ colour }, object) => {
      const right = placeOf(facts, beat, object);
      // Its name is no help in finding an object that is gone, has another colour or shares its own by then.
      const shown = facts.clip.objects.filter((_, i) => colourOf(facts, beat, i) === colour);
      if (right === undefined || shown.length > 1 || colourOf(facts, beat, object) !== colour) return;
      candidates.push({
        type: 'DL',
        template: 'place',
        question: `where is ${theObject(colour)} ${text}`,
        right,
        wrong: LOCATIONS.filter((place) => place !== right),
        preferred: distractingPlaces(facts, beat, object).filter((place) => place !== right),
        evidence: { objects: [object], beats: [beat] },
      });
      candidates.push({
        type: 'DO',
        template: 'at-place',
        question: `which object is at the ${right} ${text}`,
        right: theObject(colour),
        wrong: COLOURS.filter((c) => c !== colour).map(theObject),
        preferred: clipColours(facts.clip)
          .filter((c) => c !== colour)
          .map(theObject),
        evidence: { objects: [object], beats: [beat] },
      });
    });
  }
  return candidates;
}

/** Up to two wrong places that the clip suggests: where the object is at the other end, where another one is. */
function distractingPlaces(facts: ClipFacts, beat: number, object: number): string[] {
  const own = placeOf(facts, beat === 0 ? BEATS - 1 : 0, object);
  const other = facts.clip.objects
    .map((_, i) => (i === object ? undefined : placeOf(facts, beat, i)))
    .find((place) => place !== undefined && place !== own);
  return [own, other].filter((place) => place !== undefined);
}

function descriptions({ clip }: ClipFacts): Candidate[] {
  const candidates: Candidate[] = [];
  clip.objects.forEach(({ colour, shape }, object) => {
    candidates.push({
      type: 'DO',
      template: 'shape',
      question: `what shape is ${theObject(colour)}`,
      right: shape,
      wrong: SHAPES.filter((other) => other !== shape),
      evidence: { objects: [object], beats: [0] },
    });
  });
  candidates.push({
    type: 'DO',
    template: 'background',
    question: 'what colour is the background',
    right: clip.background,
    wrong: BACKGROUNDS.filter((other) => other !== clip.background),
    evidence: { objects: [], beats: [0] },
  });
  for (const event of clip.events) {
    if (event.kind === 'move') continue;
    const { colour } = clip.objects[event.object]!;
    const cause = clip.objects[event.cause]!.colour;
    const evidence = { objects: [event.object, event.cause], beats: [event.beat] };
    candidates.push({
      type: 'DO',
      template: 'affected',
      question: `which object ${EFFECT_PAST[event.kind]}`,
      right: theObject(colour),
      wrong: COLOURS.filter((c) => c !== colour).map(theObject),
      preferred: clipColours(clip)
        .filter((c) => c !== colour)
        .map(theObject),
      evidence,
    });
    if (event.kind !== 'paint') continue;
    candidates.push({
      type: 'DO',
      template: 'new-colour',
      question: `what colour did ${theObject(colour)} become`,
      right: cause,
      wrong: others(colour, cause),
      evidence,
    });
  }
  return candidates;
}

function counts({ clip, states }: ClipFacts): Candidate[] {
  const candidates = MOMENTS.map(({ text, beat }): Candidate => {
    const right = NUMBERS[states[beat]!.filter((state) => state.alpha > 0).length]!;
    return {
      type: 'DC',
      template: 'count',
      question: `how many objects are there ${text}`,
      right,
      wrong: NUMBERS.slice(1).filter((number) => number !== right),
      evidence: { objects: clip.objects.map((_, i) => i), beats: [beat] },
    };
  });
  const moved = clip.events.filter(isMotion);
  const right = NUMBERS[unique(moved.map((event) => event.object)).length]!;
  candidates.push({
    type: 'DC',
    template: 'count-moved',
    question: 'how many objects moved',
    right,
    wrong: NUMBERS.slice(0, 5).filter((number) => number !== right),
    evidence: {
      objects: unique(moved.map((event) => event.object)),
      beats: unique(moved.map((e) => e.beat)),
    },
  });
  return candidates;
}
