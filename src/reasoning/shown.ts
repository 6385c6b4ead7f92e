/** The images of clips that the teacher sees. */
import type { Sample } from '../data/sample.js';
import { framesToUrls, type TeacherFrames } from './images.js';

/** The images of one clip. */
export interface Shown {
  /** Data URLs. */
  images: string[];
  /** Frame numbers in the video, when known. */
  indices: number[] | null;
}

/** Decodes each clip once for questions that follow each other; NExT-QA has nine questions a video. */
export class ShownClips {
  private readonly latest = new Map<string, Promise<Shown>>();

  /** @param kept clips that are held in memory. */
  constructor(
    private readonly framesOf: (sample: Sample) => Promise<TeacherFrames>,
    private readonly options: { maxSide?: number; imageQuality?: number },
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
    const { maxSide, imageQuality } = this.options;
    const frames = await this.framesOf(sample);
    const images = await framesToUrls(frames, { maxSide, quality: imageQuality });
    return { images, indices: frames.indices ? Array.from(frames.indices) : null };
  }
}
