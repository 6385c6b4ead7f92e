/** The keys of training by rewards, `train.rl` of a recipe's schema. */
import { z } from 'zod';
import { MOST_LOOKS } from '../text/looking.js';
import { FORMAT_RULES, LOSS_TYPES, PROMPT_FILTERS, SCALINGS } from './modes.js';
import { count, positive, text } from './values.js';

const weight = (meaning: string) => z.number().optional().describe(`Weight of the reward ${meaning}`);

/** Training by rewards (train.mode rl); src/rewards and src/training/objectives/rl. */
export const rl = z.strictObject({
  group: z
    .int()
    .min(2)
    .max(256)
    .default(8)
    .describe(
      'Completions of each sample of a batch, which are compared with each other (VersaVid-R1, VITAL: 8).',
    ),
  loss: z
    .enum(LOSS_TYPES)
    .default('dapo')
    .describe(
      'How the losses of tokens become one: mean of completions and then of all (`grpo`, VersaVid-R1), of the tokens of a batch (`bnpo`), over the largest length (`dr_grpo`), or of the tokens of an update (`dapo`, TRL).',
    ),
  beta: z
    .number()
    .min(0)
    .default(0.01)
    .describe(
      'Weight of the KL divergence from the student as training began (VITAL: 0.01, VersaVid-R1: 0); 0 spares its forward pass.',
    ),
  temperature: positive()
    .default(1)
    .describe('Divides the logits where completions are drawn and where they are learned.'),
  topP: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe(
      'Draws of the likeliest tokens whose probabilities reach it; the loss counts all tokens, as in TRL.',
    ),
  maxNewTokens: count().default(32).describe('Longest completion in tokens, `</s>` included.'),
  looks: z
    .int()
    .min(0)
    .max(MOST_LOOKS)
    .default(0)
    .describe(
      'Calls for the frames of a span that are answered in each completion (VITAL: 2), which then has up to one turn more than that, each of maxNewTokens; the reward `tool` is for them.',
    ),
  scaleRewards: z
    .enum(SCALINGS)
    .default('group')
    .describe(
      'What advantages are divided by: the deviation of rewards in the group, or in the batch, or nothing (Dr. GRPO).',
    ),
  dgrpo: z
    .boolean()
    .default(false)
    .describe("Weigh the advantages of a sample by its difficulty, 0.5 to 1 (VITAL's DGRPO)."),
  rewards: z
    .strictObject({
      format: weight(
        'for the form `<think>..</think> <answer>..</answer>`; answers are then read in their tags.',
      ),
      choice: weight('for the right option.'),
      iou: weight('for the intersection over union with a true span, scaled by iouLow and iouHigh.'),
      rouge: weight('for the ROUGE with an accepted answer or a caption.'),
      recall: weight("for the share of a caption's events that are told."),
      precision: weight("for the share of the told events that are the caption's (VersaVid-R1: 0.5)."),
      keywords: weight('for words of time order and against hedges, in descriptions (VersaVid-R1: 1).'),
      tool: weight('for calls of a tool that were carried out.'),
      judge: weight('for an answer that agrees with an accepted one, by rule or by judgeUrl.'),
    })
    .prefault({}),
  format: z
    .enum(FORMAT_RULES)
    .default('multiply')
    .describe('The format is a factor on the other rewards (VersaVid-R1), or is added to them (VITAL).'),
  iouLow: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe('IoU up to which a span earns nothing (VITAL: 0.2; in long videos 0).'),
  iouHigh: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe('IoU from which a span earns 1 (VITAL: 0.8; in long videos 0.5).'),
  judgeUrl: text()
    .optional()
    .describe('Base URL of an OpenAI-compatible server that judges answers. Default: a rule judges them.'),
  judgeModel: text().optional().describe('Model of that server.'),
  survey: z
    .int()
    .min(0)
    .default(256)
    .describe(
      'Training prompts that are answered before the first step, `group` completions each, for pass@1, pass@8 and wellFormed; with a filter all of them are. 0 asks none.',
    ),
  wellFormed: z
    .number()
    .min(0)
    .max(1)
    .default(0.95)
    .describe(
      'Share of those completions that must have the format where it is rewarded, or training does not begin (train.stlTarget tagged teaches it); 0 always begins.',
    ),
  filter: z
    .enum(PROMPT_FILTERS)
    .default('none')
    .describe(
      'Prompts that are left out: those that all completions solve or none does (`vital`), or that the first five solve, and captions whose completions are alike (`versavid`). A task is solved by more than half of what its rewards for content allow.',
    ),
  captionVariance: z
    .number()
    .min(0)
    .default(0.2)
    .describe(
      'Variance of the F1 of recall and precision (0 to 1) below which `versavid` leaves out a caption (VersaVid-R1: 0.2).',
    ),
  stopNoSpread: z
    .number()
    .min(0)
    .max(1)
    .default(0.8)
    .describe(
      'Training stops when a larger share of groups has equal rewards over 20 updates; 1 never stops it.',
    ),
  stopKl: z
    .number()
    .min(0)
    .default(0.5)
    .describe('Training stops when the KL divergence is larger over 20 updates; 0 never stops it.'),
  stopFormat: z
    .number()
    .min(0)
    .max(1)
    .default(0.9)
    .describe(
      'Training stops when a smaller share of completions has the format over 20 updates; 0 never stops it.',
    ),
});
