/** Makes small videos with ffmpeg. */
import { execFileSync, spawnSync } from 'node:child_process';

/** Whether ffmpeg and ffprobe can be run here. */
export const hasFfmpeg = ['ffmpeg', 'ffprobe'].every(
  (tool) => spawnSync(tool, ['-version'], { stdio: 'ignore' }).status === 0,
);

const encoders = hasFfmpeg ? execFileSync('ffmpeg', ['-v', 'error', '-encoders'], { encoding: 'utf8' }) : '';

/** Whether this build of ffmpeg has an encoder. */
export function hasEncoder(name: string): boolean {
  return new RegExp(`^\\s*V\\S*\\s+${name}\\s`, 'm').test(encoders);
}

/** Runs ffmpeg to make a fixture. */
export function ffmpeg(...args: string[]): void {
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** A clip of a moving picture with noise, each frame unlike the others, 96x64. */
export interface Clip {
  rate: string;
  frames: number;
  filter?: string | undefined;
  /** Arguments that choose the encoder; VP8 and VP9 hide frames only when they encode in two passes. */
  codec: readonly string[];
}

/** Makes a clip. */
export function makeClip(path: string, clip: Omit<Clip, 'codec'>, codec: readonly string[]): void {
  makeClips(new Map([[path, { ...clip, codec }]]));
}

/**
 * Makes clips, those of the same pictures in one process, which takes longer to start than to encode a clip; VP8 and VP9 in two
 * passes have processes of their own.
 *
 * @param clips by path.
 */
export function makeClips(clips: ReadonlyMap<string, Clip>): void {
  const outputs = new Map<string, string[]>();
  for (const [path, { rate, frames, filter, codec }] of clips) {
    const source = `testsrc2=size=96x64:rate=${rate},noise=alls=20:allf=t`;
    const graph = filter ? `${source},${filter}` : source;
    const input = ['-f', 'lavfi', '-i', graph];
    const output = ['-map', '0:v', '-frames:v', String(frames), ...codec];
    if (codec.some((argument) => argument.startsWith('libvpx'))) {
      for (const pass of ['1', '2'])
        ffmpeg(...input, ...output, '-pass', pass, '-passlogfile', `${path}.pass`, path);
    } else {
      // Outputs of different lengths would keep each other's input going.
      const key = `${graph} ${frames}`;
      outputs.set(key, [...(outputs.get(key) ?? input), ...output, path]);
    }
  }
  for (const args of outputs.values()) ffmpeg(...args);
}
