/** Reads the events of a streamed answer, in the forms of nearly OpenAI-compatible servers. */
import { isRecord } from '../base/values.js';
import { endingOf } from './finish.js';
import { messageIn } from './transport.js';

/** A server's reply, as one choice. */
export interface Written {
  /** The answer itself. */
  content: string;
  /** Thinking that was sent separately. */
  steps: string;
  /** The server's words where it refused, beside its finish_reason. */
  refusal: string;
  /** The last finish_reason that was one, undefined when none came. */
  finish: unknown;
  /** The finish_reason of the model's own server, where a router reports it (OpenRouter). */
  nativeFinish: unknown;
}

/**
 * Fields of a message that hold its thinking: vLLM, SGLang, LMDeploy, DeepSeek, Qwen, GLM and Moonshot; vLLM, Ollama,
 * Groq and OpenRouter; OpenRouter; Anthropic's proxies; LiteLLM. The first one that comes is used for the whole answer,
 * since several servers send the same words under two names.
 */
const STEP_FIELDS = ['reasoning_content', 'reasoning', 'reasoning_details', 'thinking', 'thinking_blocks'];

/** Tokens that one answer took. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
}

export class ReplyReader {
  /** The last that came; some servers send it with every event. */
  usage: Usage | undefined;
  private readonly choices = new Map<number, Choice>();

  /** @throws Error with the server's own words for an event that tells of an error. */
  add(event: unknown): void {
    if (isRecord(event)) this.usage = usageIn(event.usage) ?? this.usage;
    if (!isRecord(event) || !Array.isArray(event.choices) || event.error) {
      const words = messageIn(event);
      if (words !== undefined) throw new Error(`error in the stream: ${words}`);
      return;
    }
    for (const [place, choice] of event.choices.entries()) {
      if (!isRecord(choice)) continue;
      if (choice.error)
        throw new Error(`error in the stream: ${messageIn(choice) ?? JSON.stringify(choice.error)}`);
      const index = typeof choice.index === 'number' ? choice.index : place;
      const known = this.choices.get(index) ?? new Choice();
      this.choices.set(index, known);
      known.add(choice);
    }
  }

  /** The choice of the lowest index; undefined when there was none. */
  first(): Written | undefined {
    return this.choices.get(Math.min(...this.choices.keys()));
  }
}

/** Token counts as OpenAI's servers give them; undefined where there are none. */
function usageIn(value: unknown): Usage | undefined {
  if (!isRecord(value)) return undefined;
  const { prompt_tokens, completion_tokens = 0 } = value;
  return isCount(prompt_tokens) && isCount(completion_tokens)
    ? { prompt_tokens, completion_tokens }
    : undefined;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

class Choice implements Written {
  content = '';
  steps = '';
  refusal = '';
  finish: unknown;
  nativeFinish: unknown;
  private stepField: string | undefined;

  add(choice: Record<string, unknown>): void {
    if (endingOf(choice.finish_reason) !== 'open') this.finish = choice.finish_reason;
    this.nativeFinish = choice.native_finish_reason ?? this.nativeFinish;
    const { delta } = choice;
    if (!isRecord(delta)) return;
    for (const field of STEP_FIELDS) this.think(field, delta[field]);
    this.addContent(delta.content);
    if (typeof delta.refusal === 'string') this.refusal += delta.refusal;
  }

  /** Content is a text, a part, or a list of both. */
  private addContent(value: unknown): void {
    if (typeof value === 'string') this.content += value;
    else if (Array.isArray(value)) for (const part of value) this.addContent(part);
    else if (isRecord(value)) {
      const type = typeof value.type === 'string' ? value.type : 'text';
      if (/think|reason|summary/i.test(type)) this.think('content', value);
      else if (/^(output_)?text$/i.test(type)) this.content += wordsOf(value);
      else if (typeof value.refusal === 'string') this.refusal += value.refusal;
    }
  }

  private think(field: string, value: unknown): void {
    if (this.stepField !== undefined && this.stepField !== field) return;
    const words = wordsOf(value);
    if (words === '') return;
    this.stepField = field;
    this.steps += words;
  }
}

/** The text of a value that is one, holds one, or lists several. */
function wordsOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(wordsOf).filter(Boolean).join('\n');
  if (!isRecord(value)) return '';
  for (const key of ['text', 'thinking', 'reasoning', 'content', 'summary', 'value']) {
    const words = wordsOf(value[key]);
    if (words !== '') return words;
  }
  return '';
}

/**
 * The text of an answer with separately sent thinking: in `<think>` tags before the answer, as the model itself writes
 * it. Tags that a server left in the thinking are taken out; an answer that begins with its thinking is left as it is.
 */
export function withSteps({ content, steps }: Pick<Written, 'content' | 'steps'>): string {
  const thoughts = steps.replace(/<\/?think(ing)?>/gi, '').trim();
  if (thoughts === '' || /^\s*<think/i.test(content)) return content;
  return `<think>\n${thoughts}\n</think>\n${content.trim()}`;
}
