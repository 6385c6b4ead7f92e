/** The teacher: one or several servers that write reasoning. */
import { UsageError } from '../base/errors.js';
import { teacherAddress } from './address.js';
import { Endpoint, type RequestSettings, type TeacherRequest } from './endpoint.js';
import type { Accepted } from './judge.js';
import { type Backoff, DEFAULT_BACKOFF } from './retry.js';
import { type RequestGate, Server, Team } from './team.js';

export { TeacherError } from './team.js';

/**
 * The teacher's addresses and the settings of its requests. Keys are not here: they come from OPENAI_API_KEY or the
 * variable that an address names.
 */
export interface TeacherSettings {
  /**
   * Base URL of an OpenAI-compatible server, up to and with `/v1`, see {@link teacherAddress}; or several, each with
   * `#weight=2,key=VARIABLE,model=NAME` behind it where it differs.
   */
  baseUrl: string | readonly string[];
  model: string;
  /** 0 (default) asks for the most likely answer. */
  temperature?: number;
  /** Longest answer in tokens; default 1024. */
  maxTokens?: number;
  /** System message; none by default. */
  system?: string;
  /** Seed of sampling, sent with every request; none by default. */
  seed?: number;
  /** `low`, `high` or `auto`: OpenAI's `detail` of every image; not sent by default. */
  imageDetail?: string;
  /** Asks servers for token counts (`stream_options.include_usage`); default false. */
  countTokens?: boolean;
  /** Waits between attempts; default {@link DEFAULT_BACKOFF}. */
  backoff?: Partial<Backoff>;
  /** An attempt ends after this many milliseconds without a byte from the server; default 120 s. */
  idleMs?: number;
  /** An attempt ends after this many milliseconds in all; default 15 minutes. */
  totalMs?: number;
  /** A server whose first byte takes longer than this, in milliseconds, gets fewer requests at once; default 30 s. */
  slowMs?: number;
  /** One-line remarks, such as a server that was set aside. */
  onNotice?: (line: string) => void;
}

export interface TeacherAnswer extends Accepted {
  /** Number of requests, 1 when the first succeeded. */
  attempts: number;
  /** What the server that answered calls the model, where that is another name. */
  servedAs?: string;
}

/** Anything that writes reasoning from images and a prompt. */
export interface Teacher {
  readonly model: string;
  /** Base URLs for messages, without queries. */
  readonly url: string;
  readonly temperature: number;
  readonly maxTokens: number;
  readonly system?: string;
  readonly seed?: number;
  readonly imageDetail?: string;
  /**
   * @param gate passed before each attempt, so that waiting for the next one takes nobody's turn. A teacher that passes
   *   it says so in {@link gated}; the others are asked about one sample a turn.
   * @throws TeacherError when no attempt succeeded; the signal's reason when aborted; what the gate throws.
   */
  complete(request: TeacherRequest, signal?: AbortSignal, gate?: RequestGate): Promise<TeacherAnswer>;
  readonly gated?: boolean;
  /** What its servers call the model, where prices are asked for. */
  readonly servedAs?: readonly string[];
}

/**
 * Opens an OpenAI-compatible teacher (vLLM, LMDeploy, SGLang, llama.cpp, a hosted service), or several that serve the same
 * model. Nothing is sent until {@link Teacher.complete} is called. Requests use the proxy that the environment names.
 *
 * A server that fails is set aside and tried again, while another one answers; how many requests each gets at once follows
 * its answers, see src/reasoning/lane.ts.
 *
 * @param key sent to addresses that name no variable; by default OPENAI_API_KEY, or a placeholder, which local servers
 *   ignore.
 * @throws UsageError for a URL, number, key variable or proxy that cannot work.
 */
export async function openTeacher(
  settings: TeacherSettings,
  key = process.env.OPENAI_API_KEY?.trim() || 'none',
): Promise<Teacher> {
  const { model, baseUrl, slowMs = 30_000, onNotice } = settings;
  const request = checked(settings);
  const backoff: Backoff = { ...DEFAULT_BACKOFF, ...settings.backoff };
  const addresses = typeof baseUrl === 'string' ? [baseUrl] : baseUrl;
  if (addresses.length === 0) throw new UsageError('the teacher needs at least one URL');
  const servers = addresses.map((text) => new Server(new Endpoint(text, model, key, request)));
  const team = new Team(servers, { backoff, slowMs, onNotice });
  const { temperature, maxTokens, system, seed, imageDetail } = request;
  return {
    model,
    url: servers.map(({ endpoint }) => endpoint.address.base).join(' and '),
    temperature,
    maxTokens,
    ...(system === undefined ? {} : { system }),
    ...(seed === undefined ? {} : { seed }),
    ...(imageDetail === undefined ? {} : { imageDetail }),
    async complete(asked, signal, gate) {
      const { server, ...answer } = await team.complete(asked, signal, gate);
      return { ...answer, ...(server.model === model ? {} : { servedAs: server.model }) };
    },
    gated: true,
    servedAs: servers.map(({ endpoint }) => endpoint.model),
  };
}

/** The settings of requests, with their defaults. */
export function checked(settings: Omit<TeacherSettings, 'baseUrl'>): RequestSettings {
  const { model, temperature = 0, maxTokens = 1024, idleMs = 120_000, totalMs = 900_000 } = settings;
  const { system, seed, imageDetail, countTokens = false } = settings;
  if (!model) throw new UsageError('the teacher needs a model name, as its server lists it under /models');
  if (!(temperature >= 0 && temperature <= 2)) {
    throw new UsageError(`teacher temperature ${temperature} is not between 0 and 2`);
  }
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new UsageError(`teacher max tokens ${maxTokens} is not a positive whole number`);
  }
  if (seed !== undefined && !Number.isSafeInteger(seed)) {
    throw new UsageError(`teacher seed ${seed} is not a whole number`);
  }
  return { temperature, maxTokens, system, seed, imageDetail, countTokens, idleMs, totalMs };
}
