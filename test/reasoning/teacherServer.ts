/** A scripted teacher on 127.0.0.1. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as a test sees it. */
export interface Received {
  /** 1-based, over all requests. */
  number: number;
  /** Path and query. */
  path: string;
  body: { model: string; stream: boolean; messages: { content: { type: string; text?: string }[] }[] };
  headers: IncomingMessage['headers'];
  /** The prompt text. */
  prompt: string;
}

export type Reply = (received: Received, response: ServerResponse) => void | Promise<void>;

/** A scripted OpenAI-compatible server on loopback. */
export async function teacherServer(reply: Reply) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const body = JSON.parse(Buffer.concat(pieces).toString());
    const content = body.messages.at(-1).content as { type: string; text?: string }[];
    const item: Received = {
      number: received.length + 1,
      path: request.url!,
      body,
      headers: request.headers,
      prompt: content.find((part) => part.type === 'text')?.text ?? '',
    };
    received.push(item);
    await reply(item, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    received,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** Streams `text` in pieces as a well-behaved server does. */
export function stream(response: ServerResponse, text: string, finish: string | null = 'stop'): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (let at = 0; at < text.length; at += 7) {
    event(response, {
      choices: [{ index: 0, delta: { content: text.slice(at, at + 7) }, finish_reason: null }],
    });
  }
  if (finish !== null) event(response, { choices: [{ index: 0, delta: {}, finish_reason: finish }] });
  response.end('data: [DONE]\n\n');
}

export function event(response: ServerResponse, value: unknown): void {
  response.write(`data: ${JSON.stringify(value)}\n\n`);
}

export function json(response: ServerResponse, status: number, value: unknown, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}
