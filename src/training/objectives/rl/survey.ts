/**
 * The survey before the first step of training by rewards: some completions of training samples, by the student as training
 * begins. It tells pass@1 and pass@8, refuses a student that cannot write the form, and leaves out prompts that have
 * nothing to teach. What it finds is kept in the run folder, so that a continued run reads it.
 */
import { UsageError } from '../../../base/errors.js';
import { Rng } from '../../../base/random.js';
import { shortened } from '../../../base/values.js';
import { disposeVisual } from '../../../batches/batch.js';
import type { PromptFilter } from '../../../config/modes.js';
import type { Sample } from '../../../data/sample.js';
import type { Scorer } from '../../../rewards/index.js';
import type { Candidates, Choice } from '../objective.js';
import { type Finding, meanPassAt, type Reason, reasonToDrop, shareFormed } from './passes.js';
import { SurveyFile } from './surveyFile.js';
import type { Completions, Writer } from './writer.js';

/** Settings, as the keys of train.rl and train. */
export interface SurveySettings {
  survey: number;
  filter: PromptFilter;
  captionVariance: number;
  wellFormed: number;
  group: number;
  seed: number;
  batch: number;
}

/** Completions that pass@k is told for beside one. */
const PASSES = 8;

export class Survey {
  constructor(
    private readonly settings: SurveySettings,
    private readonly writer: Writer,
    private readonly scorer: Scorer,
  ) {}

  /**
   * @returns the samples to learn from, in their own order, and what was found
   * @throws UsageError for a student that cannot write the form, and where no prompt is left
   */
  async choose(candidates: Candidates): Promise<Choice> {
    const { survey, filter, seed, batch } = this.settings;
    const order = new Rng(`${seed}/rl/survey`).shuffle([...candidates.samples]);
    const asked = filter === 'none' ? order.slice(0, survey) : order;
    if (asked.length === 0) return { samples: candidates.samples, metrics: {} };
    const file = await SurveyFile.open(candidates.folder, candidates.origin);
    const findings: Finding[] = [];
    // A student that cannot write the form is refused by the first prompts, not after all of them.
    const first = survey > 0 ? Math.min(survey, asked.length) : asked.length;
    for (let from = 0; from < asked.length; from += batch) {
      candidates.onProgress(from, asked.length);
      const chunk = asked.slice(from, from + batch);
      findings.push(...(file.known(chunk) ?? (await this.ask(candidates, file, chunk))));
      if (from < first && from + batch >= first) await this.requireForm(findings, file);
    }
    candidates.onProgress(asked.length, asked.length);
    return this.conclude(candidates, findings);
  }

  private async ask(candidates: Candidates, file: SurveyFile, chunk: readonly Sample[]): Promise<Finding[]> {
    const found = await candidates.show(chunk, async (asked) => {
      const written = await this.writer.write(asked, `${this.settings.seed}/rl/survey`);
      if (written.talks) disposeVisual(written.talks.input);
      return asked.samples.map((sample, i) => this.findingOf(sample, written, i));
    });
    const byId = new Map(found?.map((finding) => [finding.id, finding]));
    const findings = chunk.map(({ id }) => byId.get(id) ?? { id, solved: [] });
    await file.add(findings);
    return findings;
  }

  private findingOf({ id }: Sample, { scored, texts }: Completions, index: number): Finding {
    const { group } = this.settings;
    const own = scored.slice(index * group, (index + 1) * group);
    const formed = own.map(({ values }) => values.format === 1);
    const hasForm = this.scorer.names.includes('format');
    const malformed = texts[index * group + formed.indexOf(false)];
    const f1 = own.map(({ values: { recall, precision } }) => f1Of(recall, precision));
    return {
      id,
      solved: own.map(({ values }) => this.scorer.solves(values)),
      ...(hasForm && { formed }),
      ...(hasForm && formed.includes(false) && { malformed }),
      ...(f1.every((value) => value !== null) && { f1 }),
    };
  }

  /** @throws UsageError below train.rl.wellFormed; the survey is then forgotten, for it is another student that comes back */
  private async requireForm(findings: readonly Finding[], file: SurveyFile): Promise<void> {
    const { wellFormed } = this.settings;
    const share = shareFormed(findings);
    if (Number.isNaN(share) || share >= wellFormed) return;
    await file.remove();
    const example = findings.find(({ malformed }) => malformed !== undefined)?.malformed;
    throw new UsageError(
      `train.rl.wellFormed: ${percent(share)} of the completions of ${findings.length} prompts have the format, at least ${percent(wellFormed)} are wanted before training by rewards; one that has not: ${JSON.stringify(shortened(example!, MOST_CHARACTERS))}. Teach the format first, or longer: reasvqa train RECIPE --run COLD --set model.train=[lora] --set train.mode=stl --set train.stlTarget=tagged, then start from it with --set model.adapter=COLD, or lower train.rl.wellFormed`,
    );
  }

  private conclude(candidates: Candidates, findings: readonly Finding[]): Choice {
    const { filter, captionVariance, group } = this.settings;
    const k = Math.min(PASSES, group);
    const reasons = new Map<string, Reason>();
    for (const finding of findings) {
      const reason = reasonToDrop(finding, filter, captionVariance);
      if (reason) reasons.set(finding.id, reason);
    }
    const samples = candidates.samples.filter(({ id }) => !reasons.has(id));
    const metrics = {
      'rl/pass_1': meanPassAt(1, findings),
      [`rl/pass_${k}`]: meanPassAt(k, findings),
      'rl/well_formed': shareFormed(findings),
    };
    const told = Object.entries(metrics).filter(([, value]) => !Number.isNaN(value));
    candidates.onNotice(
      `survey of ${findings.length} prompts, ${group} completions each: ${toldOf(told) || 'no reward of content applies'}`,
    );
    if (filter === 'none') return { samples, metrics: Object.fromEntries(told) };
    const counts = countsOf([...reasons.values()]);
    const dropped = counts === '' ? '' : `: ${counts}`;
    if (samples.length === 0)
      throw new UsageError(
        `train.rl.filter ${filter}: leaves none of ${findings.length} prompts (${counts}); nothing could be learned from them. Give it prompts that are neither solved nor hopeless, or set train.rl.filter=none`,
      );
    candidates.onNotice(
      `${samples.length} of ${findings.length} prompts are kept (train.rl.filter ${filter})${dropped}`,
    );
    return {
      samples,
      metrics: { ...Object.fromEntries(told), 'rl/kept': samples.length / findings.length },
    };
  }
}

/** Null where either does not apply. */
function f1Of(recall: number | null | undefined, precision: number | null | undefined): number | null {
  if (recall === null || recall === undefined || precision === null || precision === undefined) return null;
  return recall + precision > 0 ? (2 * recall * precision) / (recall + precision) : 0;
}

const NAMES: Readonly<Record<string, string>> = { 'rl/well_formed': 'well-formed' };

function toldOf(values: readonly [name: string, value: number][]): string {
  return values
    .map(([name, value]) => `${NAMES[name] ?? name.replace('rl/pass_', 'pass@')} ${percent(value)}`)
    .join(', ');
}

function countsOf(reasons: readonly Reason[]): string {
  return [...new Set(reasons)]
    .sort()
    .map((reason) => `${reasons.filter((one) => one === reason).length} ${reason}`)
    .join(', ');
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** Of a completion in a message. */
const MOST_CHARACTERS = 500;
