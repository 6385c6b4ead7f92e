/** Open questions: those of the choices without their options, and every text that counts as right. */
import { QuestionBalancer } from '../balance.js';
import { nameOf } from '../language.js';
import { isMotionOption, optionOf, type PosedQuestion, REACTION, TYPE_OF } from '../questions.js';
import type { Clip } from '../scene.js';
import { sampleOf, type TaskRow, type TaskSplit } from './rows.js';

/** Open questions about the clips of a split; answers are as balanced as those of the choices. */
export function openRows({ clips, seed, questionsPerClip }: TaskSplit): TaskRow[] {
  const balancer = new QuestionBalancer(`${seed}/open`);
  return clips.flatMap(({ video, clip }) =>
    balancer.choose(clip, questionsPerClip).map((asked, i) => ({
      kind: asked.template,
      sample: sampleOf({ video, clip }, `open${i}`, {
        task: 'open',
        question: `${asked.question}?`,
        answers: acceptedAnswers(clip, asked),
        type: TYPE_OF[asked.template],
      }),
    })),
  );
}

/**
 * The texts that answer a question rightly, the usual one first: the objects by colour alone or with their shape, what they did
 * with their names, with "it" or without a subject, and what was pushed left both as moved left and as moved away.
 */
export function acceptedAnswers(clip: Clip, { template, right, evidence }: PosedQuestion): string[] {
  const named = (object: number) => [
    `the ${clip.objects[object]!.colour} object`,
    `the ${nameOf(clip, object)}`,
  ];
  const [asked, other] = evidence.objects as [number, number?];
  switch (template) {
    case 'place':
      return [right, `the ${right}`, `at the ${right}`];
    case 'who':
      return named(asked);
    case 'cause':
      return [
        ...named(other!).map((cause) => `${cause} touched it`),
        ...named(other!).flatMap((cause) => named(asked).map((target) => `${cause} touched ${target}`)),
        ...named(other!),
      ];
    default: {
      const deeds = [right, ...alsoTrue(clip, { template, right, evidence })];
      const bare = deeds.map((deed) => deed.replace(/^it /, ''));
      return [...deeds, ...bare, ...named(asked).flatMap((name) => bare.map((deed) => `${name} ${deed}`))];
    }
  }
}

/** The other option that is true of a push, where the question asks what was done and not how it moved. */
function alsoTrue(clip: Clip, { template, right, evidence }: Omit<PosedQuestion, 'question'>): string[] {
  const [object] = evidence.objects;
  const push = clip.events.find(
    (event) => event.kind === 'push' && event.object === object && evidence.beats.includes(event.beat),
  );
  if (push === undefined || template === 'manner') return [];
  return isMotionOption(right) ? [REACTION.push] : [optionOf(push)];
}
