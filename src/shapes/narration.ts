/**
 * Events between two frames, in the prose of a large model: English that FlanT5 knows and a model trained on captions
 * alone does not ("In frame 2, ...", "There is no ..."). A quarter of the words of the teacher's reasoning occur in no
 * other caption, and the output head, which fine-tuning leaves frozen, could not write them.
 *
 * The prose describes the frames alone: no cause, no law of a shape, nothing about a question.
 */
import type { Rng } from '../base/random.js';
import {
  absenceClause,
  type ClipFacts,
  clauseOf,
  EFFECT_PRESENT,
  listOf,
  nameOf,
  placeOf,
  sentence,
  standingClause,
} from './language.js';
import { BEATS, COLOURS } from './scene.js';
import { layOutSteps } from './teacherText.js';

export const NARRATION_PROMPT = 'Describe the video step by step.';

/** One to three true sentences about one step between two frames, laid out as the teacher does. */
export function narrate(facts: ClipFacts, rng: Rng): string {
  const beat = 1 + rng.int(BEATS - 1);
  const steps = [standing(facts, beat - 1, rng), change(facts, beat), after(facts, beat, rng)];
  const told = rng.shuffle([0, 1, 2]).slice(0, 1 + rng.int(3));
  return layOutSteps(steps.filter((_, i) => told.includes(i)).map(sentence), rng);
}

/** Where one or two of the objects are. */
function standing(facts: ClipFacts, beat: number, rng: Rng): string {
  const shown = facts.clip.objects.flatMap((_, object) => standingClause(facts, beat, object) ?? []);
  const few = rng.shuffle(shown).slice(0, 1 + rng.int(2));
  return few.length === 0 ? absence(facts, rng) : `in frame ${beat + 1}, ${listOf(few)}`;
}

function change(facts: ClipFacts, beat: number): string {
  const clauses = facts.clip.events
    .filter((event) => event.beat === beat)
    .map((event) => clauseOf(facts.clip, event));
  return `${spanOf(beat)}, ${clauses.length === 0 ? 'every object stays still' : clauses.join(', ')}`;
}

/** The effect on a touched object, or an object that is absent or did not move. */
function after(facts: ClipFacts, beat: number, rng: Rng): string {
  const effects = facts.clip.events.flatMap((event) =>
    event.kind !== 'move' && event.beat === beat
      ? [`after the touch, the ${nameOf(facts.clip, event.object, 'full')} ${EFFECT_PRESENT[event.kind]}`]
      : [],
  );
  if (effects.length > 0 && rng.float() < 0.5) return rng.pick(effects);
  const still = facts.clip.objects.flatMap((_, i) =>
    facts.actions[beat]![i]!.length === 0 && placeOf(facts, beat, i) !== undefined ? [i] : [],
  );
  if (still.length > 0 && rng.float() < 0.5)
    return `${spanOf(beat)}, the ${nameOf(facts.clip, rng.pick(still), 'full')} stays still`;
  return absence(facts, rng);
}

function absence({ clip }: ClipFacts, rng: Rng): string {
  const absent = COLOURS.filter((colour) => clip.objects.every((object) => object.colour !== colour));
  return absenceClause(rng.shuffle([...absent]).slice(0, 1 + rng.int(3)));
}

const spanOf = (beat: number) => `from frame ${beat} to frame ${beat + 1}`;
