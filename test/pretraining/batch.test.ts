/** Batches of pre-training: samples of every kind, as tokens beside the frames they are about. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { type Batch, type BatchSettings, batches } from '../../src/pretraining/batch.js';
import { PRETRAIN_STAGES } from '../../src/pretraining/pretrain.js';
import { refine } from '../../src/reasoning/refine.js';
import { storyOf } from '../../src/shapes/dataset.js';
import { factsOf } from '../../src/shapes/language.js';
import { askAll, lookUp } from '../../src/shapes/questions.js';
import { reasoningSteps } from '../../src/shapes/reasoning.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { composeAnswer } from '../../src/shapes/teacherText.js';
import { Tokenizer } from '../../src/text/tokenizer.js';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await Tokenizer.load(new URL('../../weights/shapes', import.meta.url).pathname);
});

const SETTINGS: BatchSettings = { lists: 5, stories: 7, single: 6, clips: 4, texts: 3 };

function take(seed: string, count: number, settings: BatchSettings = SETTINGS): Batch[] {
  const stream = batches(seed, settings, tokenizer);
  return Array.from({ length: count }, () => stream.next().value);
}

describe('batches', () => {
  it('holds as many samples of each kind as its settings say', () => {
    for (const { shown, groups } of take('counts', 20)) {
      expect(shown).toHaveLength(SETTINGS.clips + SETTINGS.single);
      const tasks = groups.flatMap((group) => group.tasks);
      const count = (is: (task: string) => boolean) => tasks.filter(is).length;
      expect(count((task) => task === 'list')).toBe(SETTINGS.lists);
      expect(count((task) => task === 'story')).toBe(SETTINGS.stories);
      expect(count((task) => task !== 'list' && task !== 'story')).toBe(4 * 3 + 6);
      for (const { frames, prompts, targets, tasks: own } of groups)
        for (const rows of [frames, prompts, targets]) expect(rows).toHaveLength(own.length);
    }
  });

  it('shows each sample the four frames of one clip, one frame, or none', () => {
    for (const { shown, groups } of take('frames', 20)) {
      const texts = new Map<number, number>();
      for (const { frames, tasks } of groups) {
        expect(new Set(frames.map((rows) => rows.length)).size).toBe(1);
        frames.forEach((rows, i) => {
          expect(rows.length === 0).toBe(tasks[i] === 'list' || tasks[i] === 'story');
          if (rows.length === 0) return;
          const clip = Math.floor(rows[0]! / 4);
          if (rows.length === 4) expect(rows).toEqual([0, 1, 2, 3].map((beat) => 4 * clip + beat));
          else expect(rows).toHaveLength(1);
          texts.set(clip, (texts.get(clip) ?? 0) + 1);
        });
      }
      const counts = [...texts].sort(([a], [b]) => a - b).map(([, count]) => count);
      expect(counts).toEqual([3, 3, 3, 3, 1, 1, 1, 1, 1, 1]);
      expect(shown).toHaveLength(counts.length);
    }
  });

  it('pads choices, whose targets are two tokens and an end, apart from all other samples', () => {
    for (const { groups } of take('groups', 20)) {
      for (const { targets } of groups) {
        const isChoice = (target: number[]) => target[0] === tokenizer.answerStart()[0];
        expect(new Set(targets.map(isChoice)).size).toBe(1);
        for (const target of targets.filter(isChoice)) expect(target).toHaveLength(3);
      }
    }
  });

  it('has clips of its own: none is shown twice, none tells a story of a data set', () => {
    const shown = take('own', 20).flatMap((batch) => batch.shown);
    expect(new Set(shown.map(storyOf)).size).toBe(shown.length);
    const others = Array.from({ length: 300 }, (_, i) => simulateClip(`data/shapes/train-${i}/0`));
    const told = new Set(others.map(storyOf));
    expect(shown.filter((clip) => told.has(storyOf(clip)))).toEqual([]);
  });

  it('gives the same batches for the same seed and others for another', () => {
    expect(take('a', 3)).toEqual(take('a', 3));
    expect(take('a', 3)).not.toEqual(take('b', 3));
  });

  it.each(PRETRAIN_STAGES)('has no empty group, and a batch for every step, in stage $name', (stage) => {
    for (const { groups, shown } of take('stages', 3, stage)) {
      expect(groups.every(({ tasks }) => tasks.length > 0)).toBe(true);
      expect(shown).toHaveLength(stage.clips + stage.single);
    }
  });
});

describe('the words of pre-training', () => {
  it('are known to the tokenizer', () => {
    for (const { groups } of take('words', 30)) {
      for (const ids of groups.flatMap(({ prompts, targets }) => [...prompts, ...targets]))
        expect(ids.includes(tokenizer.unkId), tokenizer.decode(ids)).toBe(false);
    }
  });

  it('of the reasoning are all written in the stages that train the language model', () => {
    const written = new Set<number>();
    for (const stage of PRETRAIN_STAGES.filter(({ sees }) => sees === 'symbols')) {
      for (const { groups } of take(`written/${stage.name}`, 40, stage))
        for (const id of groups.flatMap(({ targets }) => targets).flat()) written.add(id);
    }
    const needed = new Set(refinedReasoning().flatMap((text) => tokenizer.encode(text, { addEos: true })));
    const missing = [...needed]
      .filter((id) => !written.has(id))
      .flatMap((id) => tokenizer.decode([id]) || []);
    expect(missing).toEqual([]);
  });
});

/** What a student learns to write: the teacher's texts, right and wrong, without their conclusions. */
function refinedReasoning(): string[] {
  return Array.from({ length: 60 }, (_, i) => simulateClip(`batch-test/reasoning/${i}`)).flatMap((clip) => {
    const rng = new Rng(clip.id);
    const facts = factsOf(clip);
    return askAll(clip, rng).map((asked) => {
      const claim = rng.chance(0.325) ? asked.options[1]! : asked.right;
      const settings = { frameOf: (beat: number) => beat + 1, rng };
      const steps = reasoningSteps(facts, lookUp(facts, asked.question)!, asked.options, claim, settings);
      const chosen = asked.options.indexOf(claim);
      const text = composeAnswer(steps, asked.options, chosen, rng);
      return refine(text, { ...asked, correct: chosen === 0, predicted: chosen }).refined;
    });
  });
}
