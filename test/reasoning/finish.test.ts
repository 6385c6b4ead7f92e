/** Meanings of finish_reason. */
import { expect, it } from 'vitest';
import { type Ending, endingOf } from '../../src/reasoning/finish.js';

it.each<[Ending, unknown[]]>([
  ['open', [undefined, null, '', ' ', 'null', 'None', 'FINISH_REASON_UNSPECIFIED', 'not_finished']],
  [
    'stop',
    ['stop', 'STOP', ' stop', 'eos', 'eos_token', 'EOS_TOKEN', 'end_turn', 'stop_sequence', 'STOP_SEQUENCE'],
  ],
  [
    'stop',
    [
      'COMPLETE',
      'completed',
      'endoftext',
      'FinishReason.STOP',
      'FINISH_REASON_STOP',
      'REASON_STOP',
      'normal',
    ],
  ],
  [
    'length',
    ['length', 'LENGTH', 'max_tokens', 'MAX_TOKENS', 'model_length', 'model_context_window_exceeded'],
  ],
  [
    'refused',
    ['content_filter', 'content-filter', 'content_filter: RECITATION', 'SAFETY', 'sensitive', 'refusal'],
  ],
  ['tools', ['tool_calls', 'function_call', 'tool_use', 'TOOL_CALL']],
  [
    'broken',
    ['error', 'abort', 'cancelled', 'network_error', 'insufficient_system_resource', 'timeout', 'ERROR'],
  ],
  [
    'broken',
    [
      'OTHER',
      'unknown',
      'stopped by user',
      'non-stop',
      'USER_CANCEL',
      'pause_turn',
      'MALFORMED_FUNCTION_CALL',
    ],
  ],
  ['broken', [0, 1, true, {}, ['stop'], '?', 'reason']],
])('takes as %s: %j', (ending, reasons) => {
  expect(reasons.map((reason) => [reason, endingOf(reason)])).toEqual(
    reasons.map((reason) => [reason, ending]),
  );
});
