/** A teacher on 127.0.0.1 that fails every fifth request in the ways servers fail, as a module or a program of its own. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';

/** HTTP 429 and 500, a reset, a slow start, an answer that breaks off, and bytes that are no answer. */
const FAULTS = ['busy', 'error', 'reset', 'slow', 'truncated', 'garbage'] as const;

/** The answer to one prompt is always the same, so two runs can be compared. */
function answerTo(prompt: string): string {
  const question = /Question: (.*?), ###/.exec(prompt)?.[1] ?? prompt;
  return `${`The frames show it step by step: ${question} `.repeat(5)}###Answer: ${'ABC'[question.length % 3]}`;
}

function answer(response: ServerResponse, text: string, truncated = false): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(': keep-alive\n\n');
  const pieces = text.match(/.{1,24}/gs) ?? [];
  const event = (content: string, finish: string | null) =>
    response.write(
      `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`,
    );
  for (const piece of truncated ? pieces.slice(0, 3) : pieces) event(piece, null);
  if (truncated) return void response.socket?.end();
  event('', 'stop');
  response.end('data: [DONE]\n\n');
}

/** @param share of the requests that fail, from 0 to 1; every n-th of them. */
export async function faultyServer(share = 0.2) {
  let requests = 0;
  let faults = 0;
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    requests++;
    const content = JSON.parse(Buffer.concat(pieces).toString()).messages.at(-1).content;
    const text = answerTo(content.at(-1).text);
    if (Math.floor(requests * share) === Math.floor((requests - 1) * share)) return answer(response, text);
    const fault = FAULTS[faults++ % FAULTS.length];
    if (fault === 'busy') response.writeHead(429, { 'retry-after': '0' }).end('{"error":{"message":"busy"}}');
    else if (fault === 'error') response.writeHead(500).end('out of order');
    else if (fault === 'reset') response.socket?.resetAndDestroy();
    else if (fault === 'slow') setTimeout(() => answer(response, text), 200);
    else if (fault === 'truncated') answer(response, text, true);
    else response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: {"choices": [<<\n\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    requests: () => requests,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  console.log((await faultyServer()).url);
