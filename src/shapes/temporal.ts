/** Questions about the order of events. */
import { type Candidate, MOTION, MOTIONS, others, REACTION, REACTIONS, STILL, unique } from './candidate.js';
import { type Action, type ClipFacts, EFFECT_PAST, isMotion, theObject } from './language.js';
import type { Clip, ClipEvent, Direction, Effect } from './scene.js';

type When = 'after' | 'before' | 'while';
const WHEN_TYPE = { after: 'TN', before: 'TP', while: 'TC' } as const;

/** Questions about another object's action, or about which other object moved, after, before or during an event. */
export function temporalQuestions(facts: ClipFacts): Candidate[] {
  const candidates: Candidate[] = [];
  const anchors = facts.clip.events.map((event) => ({ event, text: anchorText(facts.clip, event) }));
  for (const { event, text } of anchors) {
    // The anchor must point to one moment.
    if (anchors.filter((other) => other.text === text).length > 1) continue;
    for (const when of ['after', 'before', 'while'] as const) {
      const beats = [1, 2, 3].filter((beat) =>
        when === 'after' ? beat > event.beat : when === 'before' ? beat < event.beat : beat === event.beat,
      );
      if (beats.length === 0) continue;
      const anchor = { index: facts.clip.events.indexOf(event), object: event.object, text, when, beats };
      candidates.push(...actionQuestions(facts, anchor));
      candidates.push(...moverQuestions(facts, anchor));
    }
  }
  return candidates;
}

/** An event in the past tense, naming one object by its colour. */
function anchorText(clip: Clip, event: ClipEvent): string {
  const subject = theObject(clip.objects[event.object]!.colour);
  return event.kind === 'move'
    ? `${subject} moved ${event.direction}`
    : `${subject} ${EFFECT_PAST[event.kind]}`;
}

/** The event a temporal question refers to, and the beats before, in or after it. */
interface Anchor {
  index: number;
  object: number;
  text: string;
  when: When;
  beats: number[];
}

function actionQuestions(facts: ClipFacts, anchor: Anchor): Candidate[] {
  const { text, when, beats } = anchor;
  const candidates: Candidate[] = [];
  facts.clip.objects.forEach(({ colour }, object) => {
    if (object === anchor.object) return;
    // An object that is gone when the span begins has no action to ask for.
    if (facts.states[beats[0]! - 1]![object]!.alpha === 0) return;
    const actions = beats.flatMap((beat) =>
      facts.actions[beat]![object]!.map((action) => ({ beat, action })),
    );
    if (actions.length > 1) return;
    const option = actionOption(facts, object, actions[0]);
    candidates.push({
      type: WHEN_TYPE[when],
      template: `action-${when}`,
      question: `what did ${theObject(colour)} do ${when} ${text}`,
      right: option,
      wrong: (MOTIONS.includes(option) ? MOTIONS : REACTIONS).filter((other) => other !== option),
      evidence: { objects: [object], beats: actions.map((a) => a.beat), span: beats, anchor: anchor.index },
    });
  });
  return candidates;
}

function actionOption(facts: ClipFacts, object: number, acted?: { beat: number; action: Action }): string {
  if (acted === undefined) return STILL;
  if (acted.action === 'push') {
    const push = facts.clip.events.find(
      (e) => e.kind === 'push' && e.object === object && e.beat === acted.beat,
    );
    return MOTION[push!.direction!];
  }
  return acted.action in MOTION ? MOTION[acted.action as Direction] : REACTION[acted.action as Effect];
}

function moverQuestions(facts: ClipFacts, anchor: Anchor): Candidate[] {
  const { clip } = facts;
  const { text, when, beats } = anchor;
  const moved = clip.events.filter((e) => beats.includes(e.beat) && isMotion(e));
  const movers = unique(moved.map((event) => event.object));
  const [only] = movers.filter((object) => object !== anchor.object);
  if (only === undefined || movers.some((object) => object !== only && object !== anchor.object)) return [];
  const anchorColour = clip.objects[anchor.object]!.colour;
  const colour = clip.objects[only]!.colour;
  return [
    {
      type: WHEN_TYPE[when],
      template: `mover-${when}`,
      question: `which other object moved ${when} ${text}`,
      right: theObject(colour),
      wrong: others(anchorColour, colour).map(theObject),
      evidence: {
        objects: [only],
        beats: unique(moved.filter((e) => e.object === only).map((e) => e.beat)),
        span: beats,
        anchor: anchor.index,
      },
    },
  ];
}
