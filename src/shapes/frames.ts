/** Which questions of the shapes world one frame answers: the world's counterpart of ATP-hard. */

/**
 * How the questions begin whose answer is a state of the scene at one moment, which one frame shows (templates place and
 * who, src/shapes/questions.ts). All others ask what happens, and an event is what differs between frames.
 */
const ONE_FRAME = ['where is ', 'which object is at the '];

/** Whether no single frame answers a question of this world. */
export function needsSeveralFrames(question: string): boolean {
  return !ONE_FRAME.some((beginning) => question.startsWith(beginning));
}
