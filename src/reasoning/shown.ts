/** The images of clips that the teacher sees. */
import type { Sample } from '../data/sample.js';
import { framesToUrls, type ImageOptions, type TeacherFrames } from './images.js';
import type { AskedFor } from './output.js';

/** The images of one clip. */
export interface Shown {
  /** Data URLs. */
  images: string[];
  /** Frame numbers in the video, when known. */
  indices: number[] | null;
}

export interface ShownOptions extends ImageOptions {
  /** Frames asked for. */
  frameCount: number;
  /** Told of the first clip that has fewer. */
  onNotice?: ((line: string) => void) | undefined;
}

/** What a run says about its images. */
export function shownAs(
  run: Pick<AskedFor, 'frameCount' | 'maxSide' | 'imageQuality'> & Pick<ShownOptions, 'onNotice'>,
  signal: AbortSignal | undefined,
): ShownOptions {
  const { frameCount, maxSide, imageQuality: quality, onNotice } = run;
  return { frameCount, maxSide, quality, onNotice, signal };
}

/** Decodes each clip once for questions that follow each other; NExT-QA has nine questions a video. */
export class ShownClips {
  private readonly latest = new Map<string, Promise<Shown>>();
  private anyShort = false;

  /**
   * @param framesOf gives as many frames as are asked for, or all of a clip with fewer.
   * @param kept clips that are held in memory.
   */
  constructor(
    private readonly framesOf: (sample: Sample) => Promise<TeacherFrames>,
    private readonly options: ShownOptions,
    private readonly kept: number,
  ) {}

  of(sample: Sample): Promise<Shown> {
    const clip = JSON.stringify([sample.video, sample.start, sample.end]);
    const known = this.latest.get(clip);
    // A clip's error names the sample that was decoded; another sample of the clip decodes again for its own message.
    if (known) return known.catch(() => this.decode(sample));
    const shown = this.decode(sample);
    this.latest.set(clip, shown);
    shown.catch(() => this.latest.delete(clip));
    if (this.latest.size > this.kept) this.latest.delete(this.latest.keys().next().value!);
    return shown;
  }

  private async decode(sample: Sample): Promise<Shown> {
    const { frameCount, onNotice, ...how } = this.options;
    how.signal?.throwIfAborted();
    const frames = await this.framesOf(sample);
    if (frames.n < frameCount && !this.anyShort) {
      this.anyShort = true;
      onNotice?.(
        `${sample.id}: --frames ${frameCount} is more than the ${frames.n} of its clip, which are all shown; further such clips are not named`,
      );
    }
    const images = await framesToUrls(frames, how);
    return { images, indices: frames.indices ? Array.from(frames.indices) : null };
  }
}
