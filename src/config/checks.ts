/** Checks across the keys of a recipe: contradictions, settings without effect, and what a command needs. */
import { UsageError } from '../base/errors.js';
import { datasetOf } from '../data/datasets/index.js';
import type { Task } from '../data/sample.js';
import { TASK_FORMS } from '../text/tasks/index.js';
import type { TaskForm } from '../text/tasks/task.js';
import type { Config } from './schema.js';

/** A setting that contradicts another: its key, and the message. */
interface Contradiction {
  key: string;
  message: string;
}

/** Errors between keys that are each valid by themselves. */
export function contradictions(config: Config): Contradiction[] {
  const found: Contradiction[] = [];
  const blame = (key: string, message: string) => found.push({ key, message });
  const { data, video, text, model, train, eval: evaluation, features } = config;

  if (Math.abs(train.alpha + train.beta - 1) > 1e-6)
    blame(
      'train.alpha',
      `alpha + beta must be 1, got ${train.alpha} + ${train.beta}; leave alpha out to have 1 - beta`,
    );
  if (train.minLearningRate > train.learningRate)
    blame(
      'train.minLearningRate',
      `must not exceed train.learningRate, got ${train.minLearningRate} > ${train.learningRate}`,
    );
  if (train.warmupLearningRate > train.learningRate)
    blame(
      'train.warmupLearningRate',
      `must not exceed train.learningRate, got ${train.warmupLearningRate} > ${train.learningRate}`,
    );
  if (new Set(model.train).size !== (model.train?.length ?? 0)) blame('model.train', 'names a group twice');
  if (new Set(model.lora.targets).size !== model.lora.targets.length)
    blame('model.lora.targets', 'names a layer twice');

  if (train.mode === 'rl')
    for (const { key, message } of rewardProblems(train.rl, video.sampling)) blame(key, message);

  if (features.cache) {
    if (video.sampling === 'random' && features.frames < video.frames)
      blame(
        'features.frames',
        `must be at least video.frames, got ${features.frames} < ${video.frames}: one of each segment is drawn`,
      );
    if (video.crop !== 'none')
      blame('features.cache', 'needs video.crop none: a random crop has no features to keep');
    if (model.train?.includes('all'))
      blame('features.cache', 'needs a frozen vision model, but model.train has all');
  }

  if (!video.template.includes('{i}')) blame('video.template', "must contain {i}, the frame's number");
  for (const message of templateProblems(text.template, TASK_FORMS.choice.fields, ASKED))
    blame('text.template', message);
  for (const [task, template] of Object.entries(text.prompts ?? {}))
    for (const message of templateProblems(template, TASK_FORMS[task as Task].fields, [
      ...ASKED,
      '{duration}',
    ]))
      blame(`text.prompts.${task}`, message);
  // Reasoning may be asked for without the options.
  for (const message of templateProblems(text.reasoningPrompt, [['{question}']], ASKED))
    blame('text.reasoningPrompt', message);
  if (text.reasoningPrompt !== undefined && (train.mode === 'stl' || train.mode === 'rl'))
    blame('text.reasoningPrompt', `is for train.mode mtl; ${train.mode} has one task and one prompt`);
  if (data.map !== undefined && !datasetOf(data.dataset).videoMap)
    blame('data.map', `is for NExT-QA's video ids, not for data.dataset ${data.dataset}`);

  if (train.looks > 0 && !(train.mode === 'stl' && train.stlTarget === 'tagged'))
    blame(
      'train.looks',
      'needs train.mode stl with train.stlTarget tagged: turns are told apart by their tags',
    );
  if (evaluation.looks > 0 && !writesTags(config))
    blame(
      'eval.looks',
      'needs a student that writes in tags: train.mode stl with train.stlTarget tagged, or rl with train.rl.rewards.format',
    );
  if (evaluation.looks > 0 && (evaluation.mode ?? 'answer') !== 'answer')
    blame('eval.mode', `is for answers without looking again; eval.looks ${evaluation.looks} has turns`);

  if (writesReasoningFirst(config)) {
    if (evaluation.scorer === 'letter')
      blame(
        'eval.scorer',
        `letter reads the first thing decoded, but ${train.mode === 'rl' ? 'train.rl.rewards.format' : `train.stlTarget ${train.stlTarget}`} has the reasoning written first; use generate`,
      );
    const [limit, key] =
      train.mode === 'rl'
        ? [train.rl.maxNewTokens, 'train.rl.maxNewTokens']
        : [text.maxReasoning, 'text.maxReasoning'];
    if (evaluation.scorer !== 'letter' && evaluation.maxNewTokens < limit)
      blame(
        'eval.maxNewTokens',
        `must be at least ${key} (${limit}), since the answer follows the reasoning; got ${evaluation.maxNewTokens}`,
      );
  }
  return found;
}

/** What is wrong with the rewards of train.mode rl. */
function rewardProblems(
  { rewards, format, ...rl }: Config['train']['rl'],
  sampling: Config['video']['sampling'],
): Contradiction[] {
  const found: Contradiction[] = [];
  const blame = (key: string, message: string) => found.push({ key: `train.rl.${key}`, message });
  if (rl.looks > 0 && rewards.format === undefined)
    blame('looks', 'needs the reward train.rl.rewards.format: turns are told apart by their tags');
  if (rl.looks > 0 && sampling === 'random')
    blame('looks', 'needs video.sampling uniform or ends: a span is shown as in evaluation');
  if (rewards.tool !== undefined && rl.looks === 0)
    blame('rewards.tool', 'needs train.rl.looks: without it no call is answered');
  const named = Object.entries(rewards).flatMap(([name, weight]) => (weight === undefined ? [] : [name]));
  if (named.length === 0)
    blame('rewards', 'train.mode rl needs a reward, for example train.rl.rewards.choice=1');
  if (format === 'multiply' && named.length === 1 && named[0] === 'format')
    blame('format', 'multiply needs a reward besides the format; add one, or use add');
  if (rl.iouLow >= rl.iouHigh)
    blame('iouLow', `must be below train.rl.iouHigh, got ${rl.iouLow} and ${rl.iouHigh}`);
  if ((rl.judgeUrl === undefined) !== (rl.judgeModel === undefined))
    blame('judgeUrl', 'needs train.rl.judgeModel, and the other way round');
  if (rl.judgeUrl !== undefined && rewards.judge === undefined)
    blame('judgeUrl', 'needs the reward train.rl.rewards.judge');
  return found;
}

/** Fields that every prompt may have. */
const ASKED = ['{question}', '{options}', '{choices}'];

/**
 * What is wrong with a prompt's template; nothing with an absent one.
 *
 * @param needed it must have one of each. @param known every field that is filled in
 */
function templateProblems(
  template: string | undefined,
  needed: TaskForm['fields'],
  known: readonly string[],
): string[] {
  if (template === undefined) return [];
  const missing = needed.filter((fields) => !fields.some((field) => template.includes(field)));
  const unknown = [...template.matchAll(/\{\w*\}/g)].filter(([field]) => !known.includes(field));
  const all = `${known.slice(0, -1).join(', ')} and ${known.at(-1)}`;
  return [
    ...missing.map(([field]) => `must contain ${field}`),
    ...unknown.map(([field]) => `has ${field}; only ${all} are filled in`),
  ];
}

/**
 * Settings that were given but do nothing. Not errors: a sweep may switch the mode and keep the rest.
 *
 * @param given whether the user wrote a key, and not its default.
 */
export function ineffective(config: Config, given: (key: string) => boolean): Contradiction[] {
  const found: Contradiction[] = [];
  const idle = (key: string, message: string) => {
    if (given(key)) found.push({ key, message });
  };
  const { train, model } = config;
  if (train.mode === 'stl') {
    idle('train.alpha', 'has no effect with train.mode stl');
    idle('train.beta', 'has no effect with train.mode stl');
  } else idle('train.stlTarget', `has no effect with train.mode ${train.mode}`);
  if (train.mode === 'rl') {
    idle('train.alpha', 'has no effect with train.mode rl');
    idle('train.beta', 'has no effect with train.mode rl, whose KL divergence has train.rl.beta');
    idle('model.lora.dropout', 'has no effect with train.mode rl: its passes drop nothing');
    const { rewards, filter, survey } = train.rl;
    if (rewards.format === undefined || (survey === 0 && filter === 'none'))
      idle(
        'train.rl.wellFormed',
        `has no effect: ${rewards.format === undefined ? 'train.rl.rewards has no format' : 'train.rl.survey is 0'}`,
      );
    if (filter !== 'versavid')
      idle('train.rl.captionVariance', `has no effect with train.rl.filter ${filter}`);
  } else {
    const { rewards, ...rl } = train.rl;
    const names = [...Object.keys(rl), ...Object.keys(rewards).map((name) => `rewards.${name}`)];
    for (const name of names) idle(`train.rl.${name}`, `has no effect with train.mode ${train.mode}`);
  }
  if (!trainsReasoning(config))
    for (const key of ['data.reasoning', 'train.reasoningSet', 'train.reasoningFraction'])
      idle(key, 'has no effect: no reasoning is trained');
  // Without model.train the base model decides, and it could not be asked.
  const noLora =
    !model.train || model.train.includes('lora') ? undefined : 'has no effect: model.train has no lora';
  const noNewLora = model.adapter ? 'has no effect: model.adapter brings its own' : noLora;
  if (noNewLora) for (const key of ['r', 'alpha', 'dropout', 'targets']) idle(`model.lora.${key}`, noNewLora);
  if (noLora) idle('train.loraLearningRate', noLora);
  if (config.eval.looks === 0) idle('eval.look', 'has no effect: eval.looks is 0');
  if (config.eval.looks === 0 && !looksInTraining(config))
    idle('video.lookFps', 'has no effect: no key lets the student look again (eval.looks, train.looks)');
  if (train.schedule === 'constant') idle('train.minLearningRate', 'has no effect with a constant schedule');
  if (!config.features.cache)
    for (const key of ['folder', 'dtype', 'frames'])
      idle(`features.${key}`, 'has no effect: features.cache is false');
  else if (config.video.sampling !== 'random')
    idle(
      'features.frames',
      `has no effect with video.sampling ${config.video.sampling}: the same frames serve every epoch`,
    );
  return found;
}

/** Whether training shows spans that are called for. */
export const looksInTraining = ({ train }: Pick<Config, 'train'>): boolean =>
  (train.mode === 'rl' ? train.rl.looks : train.looks) > 0;

/** Whether this recipe trains on reasoning at all. */
export function trainsReasoning({ train }: Config): boolean {
  if (train.mode === 'rl') return false;
  return train.mode === 'stl' ? train.stlTarget !== 'answer' : train.beta > 0;
}

/** Whether the student is taught to write its reasoning and then the answer in one text. */
export const writesReasoningFirst = ({ train }: Pick<Config, 'train'>): boolean =>
  writesTags({ train }) || (train.mode === 'stl' && train.stlTarget === 'reasoning-answer');

/** Whether that text has its parts in tags (src/text/tags.ts). */
export const writesTags = ({ train }: Pick<Config, 'train'>): boolean =>
  train.mode === 'rl'
    ? train.rl.rewards.format !== undefined
    : train.mode === 'stl' && train.stlTarget === 'tagged';

/**
 * Checks that a valid recipe can be trained: it needs annotations, and reasoning unless it trains on answers alone or
 * its samples carry reasoning themselves.
 *
 * @throws UsageError naming the key.
 */
export function checkForTraining(config: Config): void {
  const { splits, ownReasoning } = datasetOf(config.data.dataset);
  if (!config.data.train)
    throw new UsageError(
      `data.train: missing; training needs annotations, for example --set data.train=${splits.train ?? 'FILE'}`,
    );
  // Two turns teach to look: what is thought between them may be nothing.
  const needsReasoning = trainsReasoning(config) && config.train.looks === 0;
  if (needsReasoning && !config.data.reasoning && !ownReasoning)
    throw new UsageError(
      'data.reasoning: missing; write it with reasvqa generate and reasvqa refine, or train on answers alone with --set train.beta=0',
    );
}

/**
 * The annotations `evaluate` reads.
 *
 * @throws UsageError when the recipe has none for the split.
 */
export function evaluationFile(config: Config, split: 'val' | 'test' = config.eval.split): string {
  const file = config.data[split];
  if (!file)
    throw new UsageError(`data.${split}: missing; evaluation of the ${split} split needs annotations`);
  return file;
}
