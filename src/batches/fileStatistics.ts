/** Lengths of the texts of samples as a recipe shows them to the student, and what its limits cut. */
import type { FileSettings } from '../config/defaults.js';
import { annotationRows } from '../data/annotations.js';
import { datasetOf } from '../data/datasets/index.js';
import { prepareText } from '../data/prepare.js';
import type { Problem } from '../data/problems.js';
import { joinReasoning } from '../data/reasoning.js';
import type { Sample } from '../data/sample.js';
import { type Lengths, type Statistics, StatisticsCounter } from '../data/statistics.js';
import { encodePrompt } from '../text/encode.js';
import { PLAIN_FORM, type TextForm } from '../text/forms.js';
import { reasoningTarget } from '../text/prompts.js';
import { type PromptSettings, taskPrompt } from '../text/tasks/index.js';
import type { Tokenizer } from '../text/tokenizer.js';

/** Texts that are longer than a limit of the recipe. */
interface Cut {
  text: 'prompt' | 'reasoning';
  key: string;
  limit: number;
  count: number;
}

export interface FileStatistics extends Statistics {
  files: { file: string; samples: number; problems: number }[];
  /** What lengths count; tokens of prompts and reasoning include `</s>`. */
  unit: 'tokens' | 'words';
  /** By the tokenizer; unknown in words. */
  cut?: Cut[];
}

export interface StatisticsRequest {
  dataset: string;
  files: readonly string[];
  /** Punctuation, template and limits. */
  config: Pick<FileSettings, 'text'> & { data: Pick<FileSettings['data'], 'addPunctuation'> };
  /** Reasoning to join; the samples are then kept in memory. */
  reasoning?: string;
  /** Without one, lengths are in words. */
  tokenizer?: Tokenizer;
  onProblem: (problem: Problem) => void;
}

/**
 * Statistics of annotation files together. Bad rows are not counted.
 *
 * @throws UsageError for an unknown dataset; DataError for a file that cannot be read.
 */
export async function statisticsOf(request: StatisticsRequest): Promise<FileStatistics> {
  const { dataset, config, tokenizer, onProblem } = request;
  const counter = new StatisticsCounter(datasetOf(dataset), request.files.length > 1);
  const { maxPrompt, maxReasoning } = config.text;
  const form = tokenizer?.form ?? PLAIN_FORM;
  const cut = [
    { text: 'prompt' as const, key: 'text.maxPrompt', limit: maxPrompt, count: 0 },
    { text: 'reasoning' as const, key: 'text.maxReasoning', limit: maxReasoning, count: 0 },
  ];
  const unitsOf = counterOf(tokenizer);
  const files: FileStatistics['files'] = [];
  for (const file of request.files) {
    const totals = { file, samples: 0, problems: 0 };
    files.push(totals);
    const count = (problem: Problem) => {
      totals.problems++;
      onProblem(problem);
    };
    for await (const sample of samplesOf(request, file, count)) {
      totals.samples++;
      const asked = config.data.addPunctuation ? prepareText(sample) : sample;
      const lengths = lengthsOf(asked, promptOf(asked, config.text, form), unitsOf);
      counter.add(sample, lengths);
      for (const limited of cut) if ((lengths[limited.text] ?? 0) > limited.limit) limited.count++;
    }
  }
  const unit = tokenizer ? ('tokens' as const) : ('words' as const);
  return { ...counter.result(), files, unit, ...(tokenizer ? { cut } : {}) };
}

async function* samplesOf(
  { dataset, reasoning }: StatisticsRequest,
  file: string,
  onProblem: (problem: Problem) => void,
): AsyncGenerator<Sample> {
  const rows = annotationRows({ dataset, file, onProblem });
  if (reasoning === undefined) {
    for await (const { sample } of rows) yield sample;
    return;
  }
  const samples: Sample[] = [];
  for await (const { sample } of rows) samples.push(sample);
  yield* (await joinReasoning(samples, reasoning, onProblem)).samples;
}

/** The units of a text: of a part of it, with its end token, or in the frame of a prompt. */
type UnitsOf = (text: string, as: 'part' | 'target' | 'prompt') => number;

function counterOf(tokenizer: Tokenizer | undefined): UnitsOf {
  if (tokenizer)
    return (text, as) =>
      as === 'prompt'
        ? encodePrompt(tokenizer, text, Number.MAX_SAFE_INTEGER).ids.length
        : tokenizer.encode(text, { addEos: as === 'target' }).length;
  return (text) => text.match(/\S+/g)?.length ?? 0;
}

/** The prompt; the length of a video that the file does not state has as many words as any. */
function promptOf(sample: Sample, text: PromptSettings, form: TextForm): string {
  return taskPrompt({ ...sample, duration: sample.duration ?? 0 }, text, { form });
}

function lengthsOf(sample: Sample, prompt: string, unitsOf: UnitsOf): Lengths {
  const reasoning = reasoningTarget(sample);
  return {
    question: unitsOf(sample.question, 'part'),
    options: sample.options.map((option) => unitsOf(option, 'part')),
    prompt: unitsOf(prompt, 'prompt'),
    ...(reasoning === '' ? {} : { reasoning: unitsOf(reasoning, 'target') }),
  };
}
