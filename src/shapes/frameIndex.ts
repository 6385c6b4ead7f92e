/** Recognises clips and frames by their pixels. */
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { renderFrames } from './render.js';
import type { Clip } from './scene.js';

/** The clip that a request's images show, and the frame of each image. */
interface Sighting {
  clip: Clip;
  frames: number[];
}

/** Signatures are SIDE x SIDE mean colours. */
const SIDE = 16;
/** Largest root mean square difference, in levels of 255, between an image and the frame it is taken for. */
const MAX_DIFFERENCE = 5;

/**
 * Recognises frames of a set of clips by their pixels alone. A hash of its pixels finds an image that was stored
 * without loss. The nearest small mean-colour picture finds one that was scaled or compressed, if it is near enough.
 */
export class FrameIndex {
  private readonly hashes = new Map<string, { clip: number; frame: number }[]>();
  private signatures: { clip: number; frame: number; values: Float32Array }[] | undefined;

  /**
   * @param clips each at least one frame long; every frame is drawn once (about 10,000 a second).
   * @param size side of the frames as they were written, in pixels.
   */
  constructor(
    private readonly clips: readonly Clip[],
    private readonly size: number,
  ) {
    clips.forEach((clip, index) => {
      this.eachFrame(clip, (pixels, frame) => {
        const hash = hashOf(pixels);
        const same = this.hashes.get(hash);
        if (same === undefined) this.hashes.set(hash, [{ clip: index, frame }]);
        else same.push({ clip: index, frame });
      });
    });
  }

  /**
   * @param images encoded images (PNG, JPEG, WebP) in the order of time.
   * @returns the clip that all of them show.
   * @throws Error saying which image cannot be read, is unknown, or belongs to another clip than the rest.
   */
  async recognise(images: readonly Uint8Array[]): Promise<Sighting> {
    const candidates: { clip: number; frame: number }[][] = [];
    for (const [i, image] of images.entries()) {
      const found = await this.find(image, i);
      if (found.length === 0) throw new Error(`image ${i + 1} of ${images.length} shows no clip that I know`);
      candidates.push(found);
    }
    const common = candidates[0]!.find(({ clip }) =>
      candidates.every((list) => list.some((c) => c.clip === clip)),
    );
    if (common === undefined) throw new Error('the images show different clips');
    const frames = candidates.map((list) => list.find((c) => c.clip === common.clip)!.frame);
    return { clip: this.clips[common.clip]!, frames };
  }

  private async find(image: Uint8Array, position: number): Promise<{ clip: number; frame: number }[]> {
    try {
      const { data, info } = await sharp(image)
        .removeAlpha()
        .toColourspace('srgb')
        .raw()
        .toBuffer({ resolveWithObject: true });
      if (info.width === this.size && info.height === this.size && info.channels === 3) {
        const exact = this.hashes.get(hashOf(data));
        if (exact !== undefined) return exact;
      }
      const scaled = await sharp(image)
        .removeAlpha()
        .toColourspace('srgb')
        .resize(this.size, this.size, { fit: 'fill' })
        .raw()
        .toBuffer();
      return this.nearest(signatureOf(scaled, this.size));
    } catch (error) {
      throw new Error(`image ${position + 1} cannot be read as an image`, { cause: error });
    }
  }

  private nearest(values: Float32Array): { clip: number; frame: number }[] {
    this.signatures ??= this.sign();
    let best: { clip: number; frame: number } | undefined;
    let least = MAX_DIFFERENCE ** 2 * values.length;
    for (const signature of this.signatures) {
      let sum = 0;
      for (let i = 0; i < values.length && sum < least; i++) sum += (values[i]! - signature.values[i]!) ** 2;
      if (sum < least) {
        least = sum;
        best = { clip: signature.clip, frame: signature.frame };
      }
    }
    return best === undefined ? [] : [best];
  }

  private sign() {
    const signatures: { clip: number; frame: number; values: Float32Array }[] = [];
    this.clips.forEach((clip, index) => {
      this.eachFrame(clip, (pixels, frame) => {
        signatures.push({ clip: index, frame, values: signatureOf(pixels, this.size) });
      });
    });
    return signatures;
  }

  private eachFrame(clip: Clip, visit: (pixels: Uint8Array, frame: number) => void): void {
    const all = Array.from({ length: clip.frames }, (_, i) => i);
    const { data } = renderFrames(clip, all, this.size);
    const bytes = this.size * this.size * 3;
    for (const frame of all) visit(data.subarray(frame * bytes, (frame + 1) * bytes), frame);
  }
}

function hashOf(pixels: Uint8Array): string {
  return createHash('sha1').update(pixels).digest('base64');
}

/** Mean colours of SIDE x SIDE areas of an RGB image (size, size, 3), float32 (SIDE * SIDE * 3). */
function signatureOf(pixels: Uint8Array, size: number): Float32Array {
  const sums = new Float32Array(SIDE * SIDE * 3);
  const counts = new Float32Array(SIDE * SIDE);
  for (let y = 0; y < size; y++) {
    const row = Math.floor((y * SIDE) / size) * SIDE;
    for (let x = 0; x < size; x++) {
      const area = row + Math.floor((x * SIDE) / size);
      counts[area]! += 1;
      for (let c = 0; c < 3; c++) sums[area * 3 + c]! += pixels[(y * size + x) * 3 + c]!;
    }
  }
  return sums.map((sum, i) => sum / Math.max(1, counts[Math.floor(i / 3)]!));
}
