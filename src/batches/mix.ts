/** One file of JSON lines out of several data sets, which one recipe trains on: ids told apart, shares weighted. */
import { DataError, UsageError } from '../base/errors.js';
import { refuseInput, writeFileAtomic } from '../base/files.js';
import { groupBy } from '../base/groups.js';
import { Rng } from '../base/random.js';
import { annotationRows } from '../data/annotations.js';
import { datasetOf, type Row } from '../data/datasets/index.js';
import { jsonl } from '../data/datasets/jsonl.js';
import { prepareText } from '../data/prepare.js';
import { describeProblem, placeOf } from '../data/problems.js';
import { joinReasoning } from '../data/reasoning.js';
import { hasTruth, type Sample, taskOf } from '../data/sample.js';
import { readMap } from '../video/locate.js';

/** A file of annotations of the mix. */
export interface MixPart {
  /** Unique; its samples' ids begin with it. */
  name: string;
  dataset: string;
  file: string;
  /** How often each sample is written: 0.5 draws half of them, 2.5 writes each twice and draws half. */
  weight: number;
  /** Refined reasoning, joined by the ids of the file. */
  reasoning?: string | undefined;
  /** JSON from annotated video ids to files below the part's videos. */
  map?: string | undefined;
  /** Folder of its videos, relative to the mix's data.videos. */
  videos?: string | undefined;
}

export interface MixRequest {
  parts: readonly MixPart[];
  out: string;
  /** Of what is drawn. */
  seed: string;
}

export interface Mix {
  samples: number;
  /** Samples written, by part and task. */
  parts: Record<string, Record<string, number>>;
  /** What readers mended or left out, as the published loaders do: a line a part. */
  notices: string[];
}

/**
 * Writes the samples of all parts as JSON lines, part after part (training shuffles them). An id becomes `<name>/<id>`, of a second
 * copy `<name>/<id>~2`; questions and options get the marks that the part's data set adds. Scores of the mix are by task: those of a
 * data set need its own file.
 *
 * @throws UsageError for names or weights that cannot be; DataError with file:line of the first bad row, and for parts of which one
 *   has answers and another has none
 */
export async function mixAnnotations({ parts, out, seed }: MixRequest): Promise<Mix> {
  checkParts(parts);
  await refuseInput(
    out,
    parts.flatMap(({ file, reasoning, map }) => [file, reasoning, map].flatMap((path) => path ?? [])),
  );
  const writer = jsonl.write![0]!;
  const mixed: Sample[] = [];
  const mix: Mix = { samples: 0, parts: {}, notices: [] };
  let answered: { value: boolean; name: string } | undefined;
  for (const part of parts) {
    const rows = await rowsOf(part, mix.notices);
    for (const row of rows) {
      const value = hasTruth(row.sample);
      answered ??= { value, name: part.name };
      if (answered.value !== value)
        throw new DataError(
          `${placeOf(part.file, row)}: ${value ? 'has an answer, and part' : 'has no answer, but part'} ${answered.name} ${value ? 'has none' : 'has them'}; a mix is blind as a whole or not at all`,
        );
    }
    const samples = weighted(await preparedSamples(part, rows), part, seed);
    mixed.push(...samples);
    mix.parts[part.name] = Object.fromEntries(
      [...groupBy(samples, taskOf)].map(([task, own]) => [task, own.length]),
    );
  }
  checkIds(mixed);
  mix.samples = mixed.length;
  await writeFileAtomic(out, mixed.map((sample) => `${writer.text(sample)}\n`).join(''));
  return mix;
}

function checkParts(parts: readonly MixPart[]): void {
  const names = new Set<string>();
  for (const { name, weight } of parts) {
    if (names.has(name)) throw new UsageError(`${name}: names two parts; give one another name, NAME=...`);
    names.add(name);
    if (!(weight > 0 && weight <= 1000))
      throw new UsageError(`${name}: expected a weight above 0 and up to 1000, got ${weight}`);
  }
}

async function rowsOf({ dataset, file }: MixPart, notices: string[]): Promise<Row[]> {
  const rows: Row[] = [];
  let mended = 0;
  const onProblem = (problem: Parameters<typeof describeProblem>[0]) => {
    throw new DataError(`${describeProblem(problem)}; \`reasvqa data check\` lists all problems`);
  };
  for await (const row of annotationRows({ dataset, file, onProblem, onWarning: () => mended++ }))
    rows.push(row);
  if (mended > 0) notices.push(`${mended} spans of ${file} are cut or left out, as loaders do`);
  return rows;
}

/** The samples with their marks, reasoning and the places of their videos. */
async function preparedSamples(
  { dataset, reasoning, map, videos }: MixPart,
  rows: readonly Row[],
): Promise<Sample[]> {
  const { addPunctuation } = datasetOf(dataset);
  const read = rows.map(({ sample }) => (addPunctuation ? prepareText(sample) : sample));
  const samples = reasoning === undefined ? read : (await joinReasoning(read, reasoning)).samples;
  const places = map === undefined ? undefined : await readMap(map);
  return samples.map((sample) => {
    const video = places?.get(sample.video) ?? sample.video;
    return { ...sample, video: videos === undefined ? video : `${videos.replace(/\/+$/, '')}/${video}` };
  });
}

/** Each sample as often as the weight says, under ids of the part; the rest of a weight is drawn, in the order of the file. */
function weighted(samples: readonly Sample[], { name, weight }: MixPart, seed: string): Sample[] {
  const whole = Math.floor(weight);
  const rest = Math.round((weight - whole) * samples.length);
  const drawn = new Set(new Rng(`${seed}/mix/${name}`).shuffle([...samples.keys()]).slice(0, rest));
  return samples.flatMap((sample, i) =>
    Array.from({ length: whole + Number(drawn.has(i)) }, (_, copy) => ({
      ...sample,
      id: `${name}/${sample.id}${copy === 0 ? '' : `~${copy + 1}`}`,
    })),
  );
}

function checkIds(samples: readonly Sample[]): void {
  const seen = new Set<string>();
  for (const { id } of samples) {
    if (seen.has(id))
      throw new DataError(`${id}: two samples of the mix get this id; name the parts otherwise`);
    seen.add(id);
  }
  if (samples.length === 0) throw new DataError('the weights leave no sample');
}
