/** One server that speaks OpenAI's chat completions. */
import { UsageError } from '../base/errors.js';
import { proxyFor } from '../base/network.js';
import { type TeacherAddress, teacherAddress, teacherTraits } from './address.js';
import { type Accepted, answerOf, type Failure, failed, failureOf } from './judge.js';
import { ReplyReader, type Usage } from './reply.js';
import { secretsOf } from './secrets.js';
import { postForEvents } from './transport.js';
import { Watch } from './watch.js';

/** What the teacher is asked about one sample. */
export interface TeacherRequest {
  /** Data URLs, shown before the text. */
  images: string[];
  prompt: string;
}

/** Settings of every request, whichever server gets it. */
export interface RequestSettings {
  temperature: number;
  maxTokens: number;
  /** System message; none when undefined. */
  system: string | undefined;
  seed: number | undefined;
  /** OpenAI's `detail` of images; left to the server when undefined. */
  imageDetail: string | undefined;
  /** Asks the server to tell token counts; servers that do so unasked are read too. */
  countTokens: boolean;
  idleMs: number;
  totalMs: number;
}

/** One attempt's end, and how long its first byte took in milliseconds, where the answer was streamed. */
export interface Attempted {
  result: Accepted | Failure;
  firstByteMs: number | undefined;
}

/** The body of a request, as batch files hold it. */
export function requestBody(
  request: TeacherRequest,
  model: string,
  { temperature, maxTokens, system, seed, imageDetail }: Omit<RequestSettings, 'idleMs' | 'totalMs'>,
): Record<string, unknown> {
  const detail = imageDetail === undefined ? {} : { detail: imageDetail };
  const images = request.images.map((url) => ({ type: 'image_url', image_url: { url, ...detail } }));
  return {
    model,
    temperature,
    max_tokens: maxTokens,
    ...(seed === undefined ? {} : { seed }),
    messages: [
      ...(system === undefined ? [] : [{ role: 'system', content: system }]),
      { role: 'user', content: [...images, { type: 'text', text: request.prompt }] },
    ],
  };
}

export class Endpoint {
  readonly address: TeacherAddress;
  readonly weight: number;
  /** What this server calls the model. */
  readonly model: string;
  private readonly url: URL;
  private readonly headers: Record<string, string>;
  private readonly redact: (text: string) => string;
  private readonly redactAnswer: (text: string) => string;

  /**
   * @param text the address, with the traits of {@link teacherTraits}.
   * @param key used unless the address names a variable of its own.
   * @throws UsageError for an address that cannot work or a variable that is not set.
   */
  constructor(
    text: string,
    model: string,
    key: string,
    private readonly settings: RequestSettings,
  ) {
    this.address = teacherAddress(text);
    proxyFor(this.address.base);
    const traits = teacherTraits(text);
    const own = traits.keyVariable === undefined ? key : process.env[traits.keyVariable]?.trim();
    if (!own) {
      throw new UsageError(
        `teacher at ${this.address.base}: the environment variable that key= names is not set; export it with the key`,
      );
    }
    if (/[^\x21-\x7e]/.test(own)) {
      throw new UsageError(
        `teacher at ${this.address.base}: the key holds blanks or other characters that no header can carry; check its variable`,
      );
    }
    this.weight = traits.weight;
    this.model = traits.model ?? model;
    this.url = new URL(`${this.address.base}/chat/completions`);
    for (const [name, value] of Object.entries(this.address.query)) this.url.searchParams.set(name, value);
    this.headers = traits.auth === 'api-key' ? { 'api-key': own } : { authorization: `Bearer ${own}` };
    const secrets = secretsOf([own, ...this.address.secrets]);
    this.redact = secrets.fromMessage;
    this.redactAnswer = secrets.fromAnswer;
  }

  /**
   * One request, streamed: the first words say that the server is at work, long before a long answer ends.
   *
   * @throws the signal's reason when aborted, and nothing else.
   */
  async attempt(request: TeacherRequest, signal: AbortSignal | undefined): Promise<Attempted> {
    const { settings } = this;
    const watch = new Watch(settings.idleMs, settings.totalMs, signal);
    const reply = new ReplyReader();
    const done = (result: Accepted | Failure): Attempted => ({
      result: { ...result, ...usageOf(reply.usage) },
      firstByteMs: watch.firstMs,
    });
    try {
      const events = postForEvents({
        url: this.url,
        headers: this.headers,
        body: JSON.stringify({
          ...requestBody(request, this.model, settings),
          stream: true,
          ...(settings.countTokens ? { stream_options: { include_usage: true } } : {}),
        }),
        signal: watch.signal,
        limit: answerLimit(settings.maxTokens),
        heard: () => watch.heard(),
        redact: this.redact,
      });
      for await (const event of events) reply.add(event);
      watch.signal.throwIfAborted();
      return done(this.judged(reply));
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (watch.expired) return done(failed(watch.expired));
      const failure = failureOf(error, this.address);
      return done({ ...failure, message: this.redact(failure.message) });
    } finally {
      watch.end();
    }
  }

  private judged(reply: ReplyReader): Accepted | Failure {
    const written = reply.first();
    if (written) {
      written.content = this.redactAnswer(written.content);
      written.steps = this.redactAnswer(written.steps);
      written.refusal = this.redact(written.refusal);
    }
    return answerOf(written, this.settings.maxTokens);
  }
}

/** Most bytes of one answer: an event of a stream holds a token and takes some hundred bytes. */
export const answerLimit = (maxTokens: number) => Math.max(1 << 20, maxTokens * 2048);

const usageOf = (usage: Usage | undefined) => (usage ? { usage } : {});
