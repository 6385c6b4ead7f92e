/** Reads the pictures that ffmpeg writes, each a binary PPM image. */
import type { FitFrame, RawFrame } from './source.js';

/** More than any picture has (16K: 398 MB): such a header is no picture's. */
const MAX_FRAME_BYTES = 2 ** 30;

/** A frame as it came. */
type OwnFrame = RawFrame & { data: Buffer };

/**
 * Reads all pictures of an output.
 *
 * @param fitFrame what becomes of each as soon as it is there
 */
export async function readPictures(stdout: AsyncIterable<Buffer>, fitFrame: FitFrame): Promise<RawFrame[]> {
  const frames: RawFrame[] = [];
  const spare: Buffer[] = [];
  // The next frame is read while this one is fitted, and no more: all of them can be larger than memory.
  let fitting: Promise<unknown> = Promise.resolve();
  for await (const frame of ppmFrames(stdout, spare)) {
    await fitting;
    const at = frames.push(frame) - 1;
    fitting = Promise.resolve(fitFrame(frame)).then((fitted) => {
      frames[at] = fitted;
      if (fitted.data.buffer !== frame.data.buffer) spare.push(frame.data);
    });
    fitting.catch(() => undefined);
  }
  await fitting;
  return frames;
}

/**
 * Splits a stream of binary PPM images (`P6\n<width> <height>\n255\n<rgb>`) as it comes; an incomplete last one is left
 * out, and whatever is no image ends it.
 *
 * @param spare memory of frames that are not needed any more; that of a frame's size becomes the next one's, since new
 *   memory costs more than what is copied into it
 */
async function* ppmFrames(stdout: AsyncIterable<Buffer>, spare: Buffer[]): AsyncGenerator<OwnFrame> {
  let head: Buffer = Buffer.alloc(0);
  let frame: OwnFrame | undefined;
  let filled = 0;
  for await (const chunk of stdout) {
    for (let rest = chunk; rest.length > 0; ) {
      if (!frame) {
        head = Buffer.concat([head, rest]);
        const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(head.toString('latin1', 0, 40));
        if (!header && head.length < 40) break;
        const [width, height] = [Number(header?.[1]), Number(header?.[2])];
        const bytes = width * height * 3;
        if (!header || !(bytes > 0 && bytes <= MAX_FRAME_BYTES)) return;
        const known = spare.pop();
        const data = known?.length === bytes ? known : Buffer.allocUnsafeSlow(bytes);
        frame = { width, height, data };
        filled = 0;
        rest = head.subarray(header[0].length);
        head = Buffer.alloc(0);
      }
      const taken = rest.copy(frame.data, filled);
      filled += taken;
      rest = rest.subarray(taken);
      if (filled < frame.data.length) continue;
      yield frame;
      frame = undefined;
    }
  }
}
