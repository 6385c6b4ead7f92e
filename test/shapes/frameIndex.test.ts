/** Clips recognised by their pixels. */
import { describe, expect, it } from 'vitest';
import { FrameIndex } from '../../src/shapes/frameIndex.js';
import { renderFrames, sampleFrames } from '../../src/shapes/render.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { encodeFrames } from './encodeFrames.js';

describe('FrameIndex', () => {
  const clips = Array.from({ length: 30 }, (_, i) => simulateClip(`index-test/${i}`));
  const index = new FrameIndex(clips, 64);

  it('recognises every frame exactly from its pixels', async () => {
    for (const clip of clips.slice(0, 5)) {
      const all = Array.from({ length: clip.frames }, (_, i) => i);
      const found = await index.recognise(await encodeFrames(renderFrames(clip, all)));
      expect(found.clip).toBe(clip);
      const drawn = renderFrames(clip, found.frames);
      expect(Buffer.compare(drawn.data, renderFrames(clip, all).data)).toBe(0);
    }
  });

  it('recognises frames that were compressed or drawn larger', async () => {
    for (const clip of clips) {
      expect((await index.recognise(await encodeFrames(sampleFrames(clip, 4), 'jpeg'))).clip).toBe(clip);
      expect((await index.recognise(await encodeFrames(sampleFrames(clip, 4, 192)))).clip).toBe(clip);
    }
  });

  it('says which image is unknown, broken or of another clip', async () => {
    const stranger = await encodeFrames(sampleFrames(simulateClip('index-test/stranger'), 4));
    const known = await encodeFrames(sampleFrames(clips[0]!, 4));
    await expect(index.recognise([known[0]!, stranger[1]!])).rejects.toThrow(
      'image 2 of 2 shows no clip that I know',
    );
    await expect(index.recognise([known[0]!, Buffer.from('no image')])).rejects.toThrow(
      'image 2 cannot be read',
    );
    const second = await encodeFrames(sampleFrames(clips[1]!, 4));
    await expect(index.recognise([known[0]!, second[1]!])).rejects.toThrow('the images show different clips');
  });
});
