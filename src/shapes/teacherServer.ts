/**
 * The built-in teacher behind an OpenAI-compatible HTTP server on loopback, so that reasoning generation runs the
 * same way against it as against vLLM or a hosted model.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from '../base/errors.js';
import { isRecord } from '../base/values.js';
import { captionAsked, parseTeacherPrompt } from '../reasoning/prompt.js';
import { ShapesTeacher, type TeacherOptions } from './teacher.js';

/** Name under /v1/models. */
const MODEL = 'shapes-teacher';
const MAX_BODY = 64 * 1024 * 1024;

export interface RunningTeacher {
  /** Base URL with `/v1`, for clients. */
  url: string;
  model: string;
  /** Ends open connections too. */
  close(): Promise<void>;
}

/**
 * Starts the teacher on 127.0.0.1.
 *
 * @param options `port` 0, the default, takes any free one.
 * @throws DataError when the dataset is missing or incomplete, or the error of `listen` when the port is taken.
 */
export async function startTeacher(options: TeacherOptions & { port?: number }): Promise<RunningTeacher> {
  const teacher = await ShapesTeacher.open(options);
  const server = createServer((request, response) => void handle(teacher, request, response));
  await once(server.listen(options.port ?? 0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}/v1`, model: MODEL, close };
}

/** An HTTP status with OpenAI's error fields. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string | null = null,
  ) {
    super(message);
  }
}

async function handle(teacher: ShapesTeacher, request: IncomingMessage, response: ServerResponse) {
  // A client that hangs up is its own affair.
  response.on('error', () => {});
  const route = `${request.method} ${request.url?.split('?')[0]}`;
  try {
    if (route === 'GET /health') sendJson(response, 200, { status: 'ok' });
    else if (route === 'GET /v1/models') {
      const model = { id: MODEL, object: 'model', created: 0, owned_by: 'reasvqa' };
      sendJson(response, 200, { object: 'list', data: [model] });
    } else if (route === 'POST /v1/chat/completions') {
      const asked = parseRequest(await readJson(request));
      const text = await textFor(asked, teacher).catch((error) => {
        throw new Refusal(400, messageOf(error));
      });
      reply(response, asked, text);
    } else throw new Refusal(404, `there is nothing at ${route}`);
  } catch (error) {
    const { status, code } = error instanceof Refusal ? error : { status: 500, code: null };
    const type = status < 500 ? 'invalid_request_error' : 'server_error';
    sendJson(response, status, { error: { message: messageOf(error), type, param: null, code } });
  }
}

async function textFor({ images, asked }: ChatRequest, teacher: ShapesTeacher): Promise<string> {
  if (typeof asked === 'string') return teacher.caption(images, asked);
  return (await teacher.answer(images, asked.question, asked.options)).text;
}

interface ChatRequest {
  images: Buffer[];
  /** Words of the question, or of the request for a caption. */
  words: number;
  /** A question with its options, or the caption that is wanted. */
  asked: { question: string; options: string[] } | 'brief' | 'detailed';
  stream: boolean;
  maxTokens: number;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY) throw new Refusal(413, `the request is larger than ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refusal(400, 'the request is not JSON');
  }
}

function parseRequest(body: unknown): ChatRequest {
  if (!isRecord(body)) throw new Refusal(400, 'the request is not a JSON object');
  if (body.model !== MODEL) {
    const message = `there is no model ${JSON.stringify(body.model)}; this server has ${MODEL}`;
    throw new Refusal(404, message, 'model_not_found');
  }
  const parts = contentParts(body.messages);
  const prompt = parts.flatMap((part) => (typeof part.text === 'string' ? [part.text] : [])).join('\n');
  const images = parts.flatMap((part) => (part.type === 'image_url' ? [decodeImage(part.image_url)] : []));
  const asked = captionAsked(prompt) ?? parseTeacherPrompt(prompt);
  if (asked === undefined)
    throw new Refusal(
      400,
      'the prompt has no "###Question: ..., ###Hints: A: ..." to answer, and asks for no caption in the words of generate --write',
    );
  if (images.length === 0) throw new Refusal(400, 'the request has no images');
  const limit = body.max_completion_tokens ?? body.max_tokens;
  const maxTokens = typeof limit === 'number' && limit > 0 ? limit : Number.POSITIVE_INFINITY;
  const words = (typeof asked === 'string' ? prompt : asked.question).split(/\s+/).length;
  return { asked, words, images, stream: body.stream === true, maxTokens };
}

/** The parts of all messages; a plain text is one part. */
function contentParts(messages: unknown): Record<string, unknown>[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new Refusal(400, 'the request has no messages');
  return messages.flatMap((message: unknown) => {
    const content = isRecord(message) ? message.content : undefined;
    if (typeof content === 'string') return [{ type: 'text', text: content }];
    if (Array.isArray(content) && content.every(isRecord)) return content;
    throw new Refusal(400, 'a message has no content');
  });
}

function decodeImage(value: unknown): Buffer {
  const url = isRecord(value) ? value.url : value;
  const match = typeof url === 'string' ? /^data:image\/[\w.+-]+;base64,(.+)$/s.exec(url) : null;
  if (match === null) throw new Refusal(400, 'an image is not a base64 data URL');
  return Buffer.from(match[1]!, 'base64');
}

/** The answer as one JSON object or as a stream of events; a token is a word here. */
function reply(
  response: ServerResponse,
  { stream, maxTokens, words: prompt }: ChatRequest,
  text: string,
): void {
  const words = text.match(/\s*\S+/g) ?? [];
  const sent = words.slice(0, maxTokens);
  const finish = sent.length < words.length ? 'length' : 'stop';
  const object = stream ? 'chat.completion.chunk' : 'chat.completion';
  const created = Math.floor(Date.now() / 1000);
  const base = { id: `chatcmpl-${randomUUID()}`, object, created, model: MODEL };
  if (!stream) {
    const message = { role: 'assistant', content: sent.join('') };
    const completion = sent.length;
    const usage = { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
    sendJson(response, 200, { ...base, choices: [{ index: 0, message, finish_reason: finish }], usage });
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const send = (delta: object, finish_reason: string | null) => {
    const chunk = { ...base, choices: [{ index: 0, delta, finish_reason }] };
    response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  };
  send({ role: 'assistant', content: '' }, null);
  for (const content of sent) send({ content }, null);
  send({}, finish);
  response.end('data: [DONE]\n\n');
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
