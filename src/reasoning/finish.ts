/** The finish_reason of an answer: a list names those of whole answers, every other one means a broken answer. */

/** `open` says nothing yet. */
export type Ending = 'open' | 'stop' | 'length' | 'refused' | 'tools' | 'broken';

/** Values in streamed events before the last one, beside null and the empty string. */
const OPEN = ['null', 'none', 'unspecified', 'notfinished'];

/** The names that servers document for an answer that the model ended itself; letters only, see {@link plain}. */
const STOP = [
  'stop', // OpenAI, Azure, vLLM, SGLang, LMDeploy, llama.cpp, Ollama, DeepSeek, Qwen, GLM, Mistral, Gemini (STOP)
  'eos', // Together, llama.cpp
  'eostoken', // TGI, watsonx
  'stopsequence', // TGI, Anthropic, Cohere
  'endturn', // Anthropic, Bedrock
  'complete', // Cohere
  'completed', // OpenAI's Responses
  'endoftext', // AI21
  'endofturn', // Llama Stack
  'endofmessage', // Llama Stack
  'finish', // Titan
  'finished', // Titan
  'stopcriteriamet', // Titan
  'endid', // TensorRT-LLM
  'stopwords', // TensorRT-LLM
  'eosfound', // LM Studio
  'stopstringfound', // LM Studio
  'normal', // ERNIE
];

/** The names for an answer truncated at its own limit, or at that of prompt and answer together. */
const LENGTH = [
  'length', // OpenAI and those that follow it
  'maxtokens', // Anthropic, Gemini, Cohere, watsonx
  'maxoutputtokens', // OpenAI's Responses
  'limit', // llama.cpp
  'modellength', // Mistral
  'modelcontextwindowexceeded', // Anthropic, GLM
  'tokenlimit', // watsonx
  'outoftokens', // Llama Stack
  'maxlen', // xAI
  'maxcontext', // xAI
  'maxpredictedtokensreached', // LM Studio
  'contextlengthreached', // LM Studio
];

const REFUSED = [
  'contentfilter', // OpenAI, Azure
  'contentfiltered', // Bedrock
  'contentfilterrecitation', // Gemini
  'sensitive', // GLM, Hunyuan
  'safety', // Gemini, as the following
  'recitation',
  'blocklist',
  'prohibitedcontent',
  'spii',
  'refusal', // Anthropic
  'guardrailintervened', // Bedrock
  'errortoxic', // Cohere
];

const TOOLS = ['toolcalls', 'toolcall', 'tooluse', 'functioncall'];

const ENDINGS = new Map<string, Ending>([
  ...OPEN.map((name) => [name, 'open'] as const),
  ...STOP.map((name) => [name, 'stop'] as const),
  ...LENGTH.map((name) => [name, 'length'] as const),
  ...REFUSED.map((name) => [name, 'refused'] as const),
  ...TOOLS.map((name) => [name, 'tools'] as const),
]);

/** The meaning of a `finish_reason`, in any case and with any separators. */
export function endingOf(reason: unknown): Ending {
  const text = reason ?? '';
  if (typeof text !== 'string') return 'broken';
  return text.trim() === '' ? 'open' : (ENDINGS.get(plain(text)) ?? 'broken');
}

/** Letters in lower case, without the name of the enumeration (FINISH_REASON_STOP, FinishReason.STOP, REASON_STOP). */
function plain(reason: string): string {
  return reason
    .toLowerCase()
    .replace(/[^a-z]/g, '')
    .replace(/^(finish)?reason/, '');
}
