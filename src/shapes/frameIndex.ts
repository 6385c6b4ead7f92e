/** Recognises clips and frames by their pixels. */
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { groupBy } from '../base/groups.js';
import { renderFrames } from './render.js';
import type { Clip } from './scene.js';

/** Side of the small pictures. */
const SIDE = 16;
/** Largest root mean square difference, in levels of 255, between the small pictures of an image and a frame. */
const MAX_DIFFERENCE = 5;

type KnownFrame = { clip: Clip; frame: number; hash: string; picture: Uint8Array };

/** Finds frames stored without loss by the hash of their pixels, scaled or compressed ones by the nearest small picture. */
export class FrameIndex {
  private readonly known: KnownFrame[];
  private readonly exact: Map<string, KnownFrame[]>;

  /**
   * @param clips every frame is drawn once (about 10,000 a second).
   * @param size side of the frames as they were written, in pixels.
   */
  constructor(
    clips: readonly Clip[],
    private readonly size: number,
  ) {
    this.known = clips.flatMap((clip) =>
      Array.from({ length: clip.frames }, (_, frame) => {
        const { data } = renderFrames(clip, [frame], size);
        return { clip, frame, hash: hashOf(data), picture: smallPicture(data, size) };
      }),
    );
    this.exact = groupBy(this.known, ({ hash }) => hash);
  }

  /**
   * @param images encoded images (PNG, JPEG, WebP) in the order of time.
   * @returns the clip that all of them show, and the frame of each.
   * @throws Error saying which image cannot be read, is unknown, or belongs to another clip than the rest.
   */
  async recognise(images: readonly Uint8Array[]): Promise<{ clip: Clip; frames: number[] }> {
    const found: KnownFrame[][] = [];
    for (const [i, image] of images.entries()) {
      // An image that has the size already keeps its pixels.
      const scaled = sharp(image).resize(this.size, this.size, { fit: 'fill' });
      const rgb = scaled.removeAlpha().toColourspace('srgb').raw();
      const pixels = await rgb.toBuffer().catch((cause) => {
        throw new Error(`image ${i + 1} cannot be read as an image`, { cause });
      });
      const same = this.exact.get(hashOf(pixels)) ?? this.nearest(smallPicture(pixels, this.size));
      if (same.length === 0) throw new Error(`image ${i + 1} of ${images.length} shows no clip that I know`);
      found.push(same);
    }
    for (const { clip } of found[0]!) {
      const frames = found.flatMap((same) => same.find((known) => known.clip === clip)?.frame ?? []);
      if (frames.length === images.length) return { clip, frames };
    }
    throw new Error('the images show different clips');
  }

  private nearest(picture: Uint8Array): KnownFrame[] {
    let best: KnownFrame[] = [];
    let least = MAX_DIFFERENCE ** 2 * picture.length;
    for (const known of this.known) {
      let sum = 0;
      for (let i = 0; i < picture.length && sum < least; i++) sum += (picture[i]! - known.picture[i]!) ** 2;
      if (sum < least) [least, best] = [sum, [known]];
    }
    return best;
  }
}

const hashOf = (pixels: Uint8Array) => createHash('sha1').update(pixels).digest('base64');

/** SIDE x SIDE mean colours of an RGB image (size, size, 3); an area of fewer pixels than others is darker, in every image. */
function smallPicture(pixels: Uint8Array, size: number): Uint8Array {
  const sums = new Uint32Array(SIDE * SIDE * 3);
  const areas = Uint8Array.from({ length: size }, (_, at) => Math.floor((at * SIDE) / size));
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const area = (areas[y]! * SIDE + areas[x]!) * 3;
      for (let c = 0; c < 3; c++) sums[area + c]! += pixels[(y * size + x) * 3 + c]!;
    }
  }
  const largest = Math.ceil(size / SIDE) ** 2;
  return new Uint8Array(sums.map((sum) => Math.round(sum / largest)));
}
