/** The schema of a recipe: every key with its type, default and documentation. */
import { z } from 'zod';
import { datasetNames, datasetRecords } from '../data/datasets/index.js';
import type { Task } from '../data/sample.js';
import { studentKinds, trainableGroups } from '../model/registry.js';
import { MOST_LOOKS } from '../text/looking.js';
import { MAX_ANSWER } from '../text/tasks/index.js';
import { DEFAULTS } from './defaults.js';
import { ANSWER_MODES, LOOKERS, trainingModes } from './modes.js';
import { rl } from './rewardKeys.js';
import { count, positive, probability, text } from './values.js';

/**
 * The keys of a recipe. Each `describe` is the key's documentation: meaning, unit, and where its default comes from
 * (the paper, arXiv 2501.13536; SeViLA and LAVIS where the paper is silent). `reasvqa config --keys` prints them.
 */

declare module 'zod' {
  interface GlobalMeta {
    kind?: 'path' | 'pathOrId';
    /** Values of the key, read when they are needed. */
    values?: () => readonly string[];
    /** An addition to the description, made when it is needed. */
    details?: () => string;
  }
}

/** A file or folder; relative ones are resolved against the recipe's folder (or the current one for --set). */
const path = () => text().meta({ kind: 'path' });
/** One of the names that a registry holds when a recipe is read: programs and tests register more. */
const oneOf = (values: () => readonly string[]) =>
  z
    .string()
    .refine((value) => values().includes(value))
    .meta({ values });
/** A file or folder as {@link path}, or the name of a Hugging Face repository such as `org/name`. */
const pathOrId = () => text().meta({ kind: 'pathOrId' });

/** `nextqa, intentqa and shapes` */
function punctuated(): string {
  const names = datasetRecords().flatMap(({ name, addPunctuation }) => (addPunctuation ? [name] : []));
  return names.join(', ').replace(/, (?=[^,]*$)/, ' and ');
}

/** `title of an architecture: group, group; ...` */
function ownGroups(): string {
  return studentKinds()
    .map(({ title, defaultGroups }) => `${title}: ${defaultGroups.join(', ')}`)
    .join('; ');
}

const data = z.strictObject({
  dataset: oneOf(datasetNames).describe(
    'Annotation format; `shapes` is the built-in world, `jsonl` your own samples.',
  ),
  videos: path().describe('Folder that holds the video files or folders of frames.'),
  train: path().optional().describe('Annotations to train on.'),
  val: path()
    .optional()
    .describe(
      'Annotations evaluated after an epoch (eval.everyEpochs); the best accuracy on them chooses the checkpoint.',
    ),
  test: path().optional().describe('Annotations of the test split, read only by `evaluate`.'),
  fps: positive()
    .optional()
    .describe(
      'Frame rate of folders of frames, in frames a second; clips with start and end need it (frames of Charades: 24).',
    ),
  map: path().optional().describe('JSON from annotated video ids to files (NExT-QA: map_vid_vidorID.json).'),
  reasoning: path()
    .optional()
    .describe('JSONL written by `reasvqa refine` (or `generate`), joined by sample id.'),
  onBadVideo: z
    .enum(['error', 'skip'])
    .default('error')
    .describe('A missing or broken video stops the run, or its samples are listed and left out.'),
  addPunctuation: z
    .boolean()
    .meta({ details: () => `Default: true for ${punctuated()}, else false.` })
    .optional()
    .describe('Add `?` to questions and `.` to options, as SeViLA does.'),
  workers: z
    .int()
    .min(0)
    .max(64)
    .default(1)
    .describe(
      'Threads that read videos while the step computes; 0 reads them in the thread that computes. One keeps a decoder a core busy. The numbers of a run do not depend on it.',
    ),
  ahead: count()
    .max(64)
    .default(2)
    .describe(
      'Batches read ahead of the step, at most; each takes the memory of its clips (8 of 4 frames at 224: 19 MB). The numbers of a run do not depend on it.',
    ),
});

const video = z.strictObject({
  frames: count().max(256).default(DEFAULTS.video.frames).describe('Frames per clip (SeViLA: 4).'),
  sampling: z
    .enum(['random', 'uniform', 'ends'])
    .default('random')
    .describe(
      'Frames in training: random within equal segments, or their middles; evaluation is uniform with both. `ends` takes them evenly from the first to the last in both (lmms-eval, LLaVA-NeXT).',
    ),
  crop: z
    .enum(['none', 'random-resized'])
    .default('random-resized')
    .describe('Crop in training: one of 50-100 % of the area for the whole clip (SeViLA), or none.'),
  prefix: z
    .boolean()
    .default(true)
    .describe('Write `template` before the tokens of each frame (SeViLA: yes; LLaVA-OneVision: no).'),
  template: text().default('Frame {i}: ').describe('Text before frame `{i}`, counted from 1.'),
  lookFps: positive()
    .default(DEFAULTS.video.lookFps)
    .describe(
      'Most frames a second of a span that the student calls for (VITAL: 2); of a short span each is given more than once, so that there are `frames`.',
    ),
});

const prompt = (task: string, fields: string) =>
  text()
    .optional()
    .describe(`Prompt of the task \`${task}\`, with ${fields}. Default: the task's own (src/text/tasks).`);

const prompts = z.strictObject({
  open: prompt('open', '`{question}`'),
  caption: prompt('caption', '`{question}` (the instruction) optional'),
  ground: prompt('ground', '`{question}`, and `{duration}` for the length of the video in seconds'),
  'grounded-choice': prompt('grounded-choice', '`{question}`, `{options}` or `{choices}`, and `{duration}`'),
});

const textKeys = z.strictObject({
  maxPrompt: count()
    .default(DEFAULTS.text.maxPrompt)
    .describe('Longest prompt in tokens, `</s>` included (InstructBLIP: 128).'),
  maxReasoning: count()
    .default(DEFAULTS.text.maxReasoning)
    .describe('Longest reasoning in tokens, `</s>` included (InstructBLIP, ViLA: 256).'),
  template: text()
    .default(DEFAULTS.text.template)
    .describe(
      "Prompt; `{options}` becomes `Option A: ... Option B: ...` (SeViLA), `{choices}` a line `A. ...` for each. LLaVA-OneVision's default asks for the letter of one of its `{choices}`.",
    ),
  reasoningPrompt: text()
    .optional()
    .describe(
      'A second prompt for the reasoning task, in the form of `template` with `{options}` optional; it costs a second encoder pass. Default: one prompt for both tasks.',
    ),
  maxAnswer: count()
    .optional()
    .describe(
      `Longest written answer in tokens (open answers, captions), \`</s>\` included: longer ones are cut in training, and none longer is written. Default: ${MAX_ANSWER}.`,
    ),
  prompts: prompts.optional(),
  decoderCue: z
    .enum(['none', 'task'])
    .default('none')
    .describe(
      '`task` starts the decoder with a token for answer or reasoning; the paper has one f(v, q) for both.',
    ),
});

const lora = z.strictObject({
  r: count().default(8).describe('Rank (LSTP, same laboratory: 8).'),
  alpha: positive().default(32).describe('Scale: the adapter is multiplied by alpha / r (LSTP: 32).'),
  dropout: probability().default(0.1).describe('Dropout of the adapter input (LSTP: 0.1).'),
  targets: z
    .array(z.string().regex(/^[\w.]+$/))
    .min(1)
    .default(['q', 'v'])
    .describe(
      'Names of adapted layers of the language model, as in PEFT: q, k, v, o, wi_0, wi_1, wo or a whole path; of LLaVA-OneVision q_proj, k_proj, v_proj, o_proj (its default), gate_proj, up_proj, down_proj.',
    ),
});

const model = z.strictObject({
  base: pathOrId()
    .default('Salesforce/blip2-flan-t5-xl')
    .describe('Folder with config.json and safetensors, or a Hugging Face id (the paper: BLIP-2 FlanT5-XL).'),
  tokenizer: pathOrId()
    .optional()
    .describe('Folder with tokenizer.json, or a Hugging Face id. Default: model.base.'),
  precision: z
    .enum(['f32', 'bf16'])
    .default('f32')
    .describe('Storage of frozen weights and activations; trainable parameters stay f32.'),
  train: z
    .array(oneOf(trainableGroups))
    .min(1)
    .meta({ details: () => `Default: those of the base model (${ownGroups()}).` })
    .optional()
    .describe('Groups of parameters that learn; `all` is every parameter.'),
  lora: lora.prefault({}),
  adapter: path()
    .optional()
    .describe('Folder of a PEFT adapter to start from, or of a run that trained one: its best checkpoint.'),
});

const taskWeight = (task: Task) =>
  z
    .number()
    .min(0)
    .optional()
    .describe(
      `Weight of the loss of \`${task}\` samples beside alpha; of a mixed batch each task's loss counts by its samples' share. Default: 1.`,
    );

const taskWeights = z.strictObject({
  choice: taskWeight('choice'),
  open: taskWeight('open'),
  caption: taskWeight('caption'),
  ground: taskWeight('ground'),
  'grounded-choice': taskWeight('grounded-choice'),
});

const train = z.strictObject({
  mode: oneOf(trainingModes)
    .default('mtl')
    .describe(
      'Two tasks (answer and reasoning), or one (paper, section 3.3); `rl` rewards what the student writes itself.',
    ),
  stlTarget: z
    .enum(['answer', 'reasoning-answer', 'tagged'])
    .default('answer')
    .describe(
      'The one target of stl: the answer, the reasoning followed by the answer, or both in tags, `<think>..</think> <answer>..</answer>`: the cold start of rl (train.rl.rewards.format).',
    ),
  reasoningSet: z
    .enum(['all', 'correct'])
    .default('all')
    .describe("Reasoning used: all, or only where the teacher's answer was right (the paper's All and CR)."),
  reasoningFraction: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('Fraction of that reasoning, drawn with the seed (paper, figure 3: 0.25 to 1).'),
  alpha: z.number().min(0).max(1).optional().describe('Weight of the answer loss. Default: 1 - beta.'),
  beta: z
    .number()
    .min(0)
    .max(1)
    .default(0.8)
    .describe('Weight of the reasoning loss (paper, figure 4: best at 0.8).'),
  looks: z
    .int()
    .min(0)
    .max(1)
    .default(0)
    .describe(
      '1 teaches samples with a true span in two turns: a call for it, moved by up to 20 %, and the answer with its frames (VITAL, stage 3).',
    ),
  taskWeights: taskWeights.optional(),
  epochs: count().default(10).describe('Passes over the training data (paper: at most 10).'),
  batch: count().default(8).describe('Samples per forward pass (paper: 8).'),
  accumulate: count().default(1).describe('Forward passes per update; gradients are averaged.'),
  learningRate: positive().default(3e-5).describe('Largest learning rate (paper: 3e-5).'),
  minLearningRate: z
    .number()
    .min(0)
    .default(0)
    .describe('Learning rate at the end of the cosine (SeViLA: 0).'),
  loraLearningRate: positive()
    .optional()
    .describe('Largest learning rate of the LoRA matrices. Default: learningRate.'),
  warmupSteps: z.int().min(0).default(1000).describe('Linear warm-up, in forward passes (SeViLA: 1000).'),
  warmupLearningRate: z.number().min(0).default(1e-8).describe('Learning rate at step 0 (SeViLA: 1e-8).'),
  schedule: z
    .enum(['cosine-epoch', 'cosine-step', 'constant'])
    .default('cosine-epoch')
    .describe('Cosine that moves once an epoch (LAVIS), at every step, or no decay.'),
  weightDecay: z
    .number()
    .min(0)
    .default(0.05)
    .describe('AdamW decay; none for vectors and biases (LAVIS: 0.05).'),
  beta1: probability().default(0.9).describe('AdamW first moment.'),
  beta2: probability().default(0.999).describe('AdamW second moment.'),
  eps: positive().default(1e-8).describe('AdamW epsilon.'),
  clipNorm: z
    .number()
    .min(0)
    .default(0)
    .describe('Largest global gradient norm; 0 is no clipping (LAVIS: none).'),
  seed: z
    .int()
    .min(0)
    .max(0xffffffff)
    .default(42)
    .describe('Seed of order, frames, crops, dropout and new weights.'),
  recompute: z
    .union([z.boolean(), z.literal('light')])
    .default(false)
    .describe(
      'Gradient checkpointing. `true` recomputes every transformer block in the backward pass: it saves the most memory (14.1 to 10.3 GB on FlanT5-XL) for most of one more forward pass. `light` recomputes fewer layers: 60 % of that memory for little more than half of that time.',
    ),
  dropLast: z
    .boolean()
    .default(true)
    .describe('Leave out the last batch of an epoch when it is not full (LAVIS).'),
  lengthBuckets: z
    .boolean()
    .default(false)
    .describe(
      "Batches of samples with about as many tokens of reasoning and prompt, in shuffled order: less padding, the same samples an epoch. Default: batches of any samples, the paper's order.",
    ),
  checkpointEverySteps: z
    .int()
    .min(0)
    .default(0)
    .describe('Updates between checkpoints; 0 saves one at the end of every epoch only.'),
  logEverySteps: count()
    .default(10)
    .describe('Updates between two lines of metrics.jsonl; the last update has a line too.'),
  rl: rl.prefault({}),
});

const evaluation = z.strictObject({
  scorer: z
    .enum(['letter', 'generate', 'lmms-eval'])
    .default('letter')
    .describe(
      'Compare the option letters after a forced "Option" (SeViLA), or write an answer and parse it; `lmms-eval` reads it by the rules of that program. Where nothing can be read the letters are compared after it.',
    ),
  mode: z
    .enum(ANSWER_MODES)
    .optional()
    .describe(
      '`answer` asks for the answer alone; `answer-then-reason` has the reasoning written after it; `reason-then-answer` takes the answer behind the written reasoning, in one pass; `two-stage` puts the reasoning back into the encoder, with the frames. The last two are scored beside the direct answer. Default: answer.',
    ),
  batch: count().default(8).describe('Samples per forward pass.'),
  looks: z
    .int()
    .min(0)
    .max(MOST_LOOKS)
    .default(0)
    .describe(
      'Calls for the frames of a span that are answered, for each sample (VITAL: 2); each answer is another pass of the encoder. For students of train.looks.',
    ),
  look: z
    .enum(LOOKERS)
    .default('student')
    .describe(
      "Who chooses the span: the student, or as controls in its place the first true span (`oracle`), or one as long anywhere (`random`, drawn with the sample's id). Samples without a true span are then answered at once.",
    ),
  everyEpochs: count()
    .default(1)
    .describe('Epochs of training between two evaluations; the last epoch always has one.'),
  split: z.enum(['val', 'test']).default('val').describe('Split that `evaluate` reads.'),
  maxNewTokens: count().default(30).describe('Longest generated text in tokens (SeViLA: 30).'),
});

const features = z.strictObject({
  cache: z
    .boolean()
    .default(false)
    .describe(
      'Store the features of the frozen vision model on disk; needs video.crop none. `reasvqa features extract` fills the store ahead.',
    ),
  folder: path().optional().describe('Folder of the stored features. Default: one inside the run folder.'),
  dtype: z
    .enum(['f32', 'bf16'])
    .default('f32')
    .describe('How stored features are kept; bf16 takes half the bytes and rounds to 8 bits of precision.'),
  frames: count()
    .max(1024)
    .default(32)
    .describe(
      'Frames stored of a training clip with video.sampling random, which then draws video.frames of them, one of each segment.',
    ),
});

export const configSchema = z.strictObject({
  data,
  video: video.prefault({}),
  text: textKeys.prefault({}),
  model: model.prefault({}),
  train: train.prefault({}),
  eval: evaluation.prefault({}),
  features: features.prefault({}),
});

type Parsed = z.output<typeof configSchema>;

/** A resolved recipe: defaults filled in, paths absolute, values that depend on others computed. */
export interface Config extends Parsed {
  data: Parsed['data'] & { addPunctuation: boolean };
  model: Parsed['model'] & { tokenizer: string };
  train: Parsed['train'] & { alpha: number; loraLearningRate: number };
}
