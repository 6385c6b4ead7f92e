/** The HTML report over any number of runs: what the demo, a sweep and `reasvqa report` write. */
import { dirname } from 'node:path';
import { EngineError, messageOf, ReasVqaError } from '../base/errors.js';
import { makeFolder, writeFileAtomic } from '../base/files.js';
import { accuracyTables } from './accuracy.js';
import { plotsOf } from './curves.js';
import { chooseExamples, type Example, evenly } from './examples.js';
import { factsOf, runRows, sharedKeys, summaryOf } from './facts.js';
import { ownReasoning } from './ownReasoning.js';
import type { PageClip, PageData, PageExample } from './page/data.js';
import { type Fact, renderPage } from './page/html.js';
import { type ReportRun, type Run, readRuns } from './runs.js';
import { groupRuns, type Setting } from './settings.js';
import { taskTable } from './tasks.js';
import { thumbnails } from './thumbnails.js';

export interface ReportRequest {
  /** The HTML file; its folder is made. */
  out: string;
  runs: readonly ReportRun[];
  /** Heading; says what was run unless given. */
  title?: string | undefined;
  /** A few sentences under it; says what came out unless given. */
  summary?: string | undefined;
  /** Facts that stand before those of the runs. */
  facts?: readonly Fact[];
  /** Remarks under the tables, one paragraph each. */
  notes?: readonly string[];
  /** Figures as text of SVG. */
  figures?: readonly { title: string; svg: string }[];
  /** What the caller had to leave out, told on the page. */
  notices?: readonly string[];
  /** Questions to show, {@link EXAMPLES} unless given. */
  examples?: number | undefined;
  /** Questions about which the last setting's student writes, {@link REASONING} unless given. */
  reasoning?: number | undefined;
  /** File of the teacher's own texts; looked for beside data.reasoning unless given. */
  raw?: string | undefined;
  /** Called once, when a student's reasoning has to be computed; an engine is in use already unless given. */
  startEngine?: () => Promise<unknown>;
  /** Is told at once what {@link WrittenReport} says of what is missing. */
  onNotice?: (line: string) => void;
}

export interface WrittenReport {
  out: string;
  bytes: number;
  runs: number;
  settings: string[];
  examples: number;
  /** What the report had to go on without, as the page says too. */
  notices: string[];
}

/** Questions that a report shows. */
export const EXAMPLES = 500;

/** Questions about which the student writes its own reasoning. */
export const REASONING = 24;

/** Bytes that frames take at most: with the texts of 500 questions the file stays below 8 MB. */
const FRAME_BYTES = 5_000_000;

/**
 * Writes one HTML file that needs nothing else. What is missing (videos, annotations, the teacher's texts, a checkpoint) is
 * left out, and the page says so.
 *
 * @throws DataError for a folder that is no run, a damaged file in one, or a file that cannot be written
 */
export async function writeReport(request: ReportRequest): Promise<WrittenReport> {
  const { out, figures = [], notes = [], raw } = request;
  const notices = [...(request.notices ?? [])];
  const onNotice = (line: string) => {
    notices.push(line);
    request.onNotice?.(line);
  };
  const settings = groupRuns(await readRuns(request.runs, onNotice));
  const tables = accuracyTables(settings);
  const { examples, available } = await chooseExamples({
    ...{ settings, raw, onNotice },
    count: request.examples ?? EXAMPLES,
  });
  const own = await studentTexts(request, settings, examples, onNotice);
  const page = await renderPage({
    title: request.title ?? titleOf(settings),
    summary: request.summary ?? summaryOf(settings, tables),
    ...{ tables, tasks: taskTable(settings), figures: [...figures], plots: plotsOf(settings) },
    facts: [...(request.facts ?? []), ...factsOf(settings)],
    runs: runRows(settings),
    configuration: sharedKeys(settings),
    ...{ notes: [...notes], available },
    examples: await pageData(settings, examples, own, onNotice),
    // Last: everything above may have something to tell.
    notices,
  });
  // Where no folder can be made the file cannot be written, and the error names it.
  await makeFolder(dirname(out)).catch(() => undefined);
  await writeFileAtomic(out, page);
  return {
    out,
    bytes: Buffer.byteLength(page),
    runs: settings.reduce((sum, { runs }) => sum + runs.length, 0),
    settings: settings.map(({ name }) => name),
    examples: examples.length,
    notices,
  };
}

function titleOf(settings: readonly Setting[]): string {
  const datasets = [...new Set(settings.map(({ runs }) => runs[0]!.config.data.dataset))];
  const runs = settings.reduce((sum, setting) => sum + setting.runs.length, 0);
  return `${datasets.join(', ')}: ${runs === 1 ? 'one run' : `${runs} runs`}`;
}

/** What a student of the last setting writes about some of the validation questions, by example. */
async function studentTexts(
  { reasoning = REASONING, startEngine = async () => undefined }: ReportRequest,
  settings: readonly Setting[],
  examples: readonly Example[],
  onNotice: (line: string) => void,
): Promise<Map<Example, PageExample['own']>> {
  const last = settings.at(-1);
  const run = last?.runs.find(({ result }) => result) ?? last?.runs[0];
  const asked = examples.filter(
    ({ split, path, answers }) => split === 'validation' && path !== undefined && answers.at(-1),
  );
  const chosen = evenly(asked, reasoning);
  if (!run || chosen.length === 0) return new Map();
  const questions = chosen.map(({ sample, path }) => ({ sample, path: path! }));
  const texts = await ownReasoning(run, questions, startEngine, onNotice).catch((error) => {
    if (!(error instanceof ReasVqaError)) throw error;
    onNotice(`${without(run, error)}; the report goes on without the student's own reasoning`);
    return new Map<string, string>();
  });
  const name = `${last!.name}, seed ${run.config.train.seed}`;
  return new Map(
    chosen.flatMap((example) => {
      const text = texts.get(example.sample.id);
      return text === undefined ? [] : [[example, { name, text }]];
    }),
  );
}

const without = (run: Run, error: ReasVqaError) =>
  error instanceof EngineError ? messageOf(error) : `${run.paths.folder}: ${messageOf(error)}`;

async function pageData(
  settings: readonly Setting[],
  examples: readonly Example[],
  own: ReadonlyMap<Example, PageExample['own']>,
  onNotice: (line: string) => void,
): Promise<PageData> {
  const clips = new Map<string, Example>();
  for (const example of examples) if (!clips.has(clipOf(example))) clips.set(clipOf(example), example);
  const places = new Map([...clips.keys()].map((key, i) => [key, i]));
  const shown = await framesOf([...clips.values()], onNotice);
  const keys = keysOf(examples);
  return {
    settings: settings.map(({ name, runs }) => ({
      name,
      seeds: runs.map(({ config }) => config.train.seed),
    })),
    clips: shown,
    examples: examples.map((example, i): PageExample => {
      const { sample, split, answers, teacher } = example;
      const { id, dataset, type, question, options, answer = null } = sample;
      const text = own.get(example);
      return {
        ...{ key: keys[i]!, id, split, dataset, type, question, options, answer, answers },
        clip: places.get(clipOf(example))!,
        ...(teacher ? { teacher } : {}),
        ...(text ? { own: text } : {}),
      };
    }),
  };
}

/** Pictures of the clips of examples, in their order. */
async function framesOf(examples: readonly Example[], onNotice: (line: string) => void): Promise<PageClip[]> {
  const there = examples.filter(({ path }) => path !== undefined);
  const clips = there.map(({ sample: { id, start, end }, path, config }) => ({
    ...{ id, path: path!, start, end, fps: config.data.fps },
  }));
  const pictures = await thumbnails(clips, FRAME_BYTES);
  const unread = pictures.flatMap((picture) => ('error' in picture ? [picture.error] : []));
  if (unread.length > 0)
    onNotice(
      `${unread.length} of ${clips.length} clips cannot be read, the first: ${unread[0]}; the report goes on without their frames`,
    );
  const byExample = new Map(there.map((example, i) => [example, pictures[i]!]));
  return examples.map((example) => byExample.get(example) ?? { error: 'the video is not there' });
}

/** Questions about one clip share its frames. */
const clipOf = ({ sample, config }: Example) =>
  JSON.stringify([config.data.videos, sample.video, sample.start ?? null, sample.end ?? null]);

/** Addresses of examples: split and id, the data set where that is not enough, a number where even that is not. */
function keysOf(examples: readonly Example[]): string[] {
  const seen = new Map<string, number>();
  return examples.map(({ sample, split }) => {
    const names = [`${split}/${sample.id}`, `${sample.dataset}/${split}/${sample.id}`];
    const name = names.find((candidate) => !seen.has(candidate)) ?? names[1]!;
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    return count === 0 ? name : `${name}~${count + 1}`;
  });
}
