/** Every way in which a GPU cannot be used, or fails while it is: what the person at the keyboard reads. On the shim. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cudaMissing, inChild, onGpu } from '../../support/cuda.js';

const onShim = describe.skipIf(cudaMissing !== undefined || onGpu);
const folder = mkdtempSync(join(tmpdir(), 'reasvqa-cuda-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A folder with some of the shim's libraries. */
function only(...names: string[]): string {
  const path = join(folder, names.join('+') || 'none');
  mkdirSync(path, { recursive: true });
  for (const name of names) symlinkSync(join(process.env.REASVQA_CUDA_PATH!, name), join(path, name));
  return path;
}

/** What opening the device says. */
const opening = (env: Record<string, string>, device = 0): string =>
  inChild(`cuda.open(${device}, 0); console.log(cuda.info().name);`, env).stdout.trim();

onShim(`opening a device that cannot be used${cudaMissing ? ` (SKIPPED: ${cudaMissing})` : ''}`, () => {
  it('works when nothing is wrong, and with a driver newer than the libraries', () => {
    expect(opening({})).toBe('CUDA shim 0');
    expect(opening({ CUDA_SHIM_DRIVER: '13000' })).toBe('CUDA shim 0');
    expect(opening({ CUDA_SHIM_DEVICES: '2' }, 1)).toBe('CUDA shim 1');
  });

  it.each<[string, Record<string, string>, number, RegExp]>([
    [
      'the driver is too old',
      { CUDA_SHIM_DRIVER: '11080' },
      0,
      /^REASVQA_DEVICE: the NVIDIA driver is too old: it supports CUDA 11\.8, .* install driver 525 or newer$/,
    ],
    [
      'there is no GPU',
      { CUDA_SHIM_INIT: '100' },
      0,
      /the NVIDIA driver finds no GPU \(cuInit: CUDA_ERROR_NO_DEVICE.*check nvidia-smi/,
    ],
    ['the driver fails', { CUDA_SHIM_INIT: '999' }, 0, /cuInit failed: CUDA error 999/],
    [
      'the GPU asked for is not there',
      { CUDA_SHIM_DEVICES: '2' },
      2,
      /there is no GPU 2: the driver shows 2, numbered from 0/,
    ],
    [
      'the GPU is too old',
      { CUDA_SHIM_CAPABILITY: '75' },
      0,
      /GPU 0 \(CUDA shim 0\) has compute capability 7\.5; native-cuda needs 8\.0/,
    ],
  ])('%s', (_, env, device, message) => {
    expect(opening(env, device)).toMatch(message);
  });

  it('NVRTC is missing: which package, and where it was looked for', () => {
    const REASVQA_CUDA_PATH = only('libcuda.so.1', 'libcublasLt.so.12');
    const text = opening({ REASVQA_CUDA_PATH });
    expect(text).toContain(`NVRTC 12 not found in REASVQA_CUDA_PATH=${REASVQA_CUDA_PATH}`);
    expect(text).toContain('pip install nvidia-cuda-nvrtc-cu12');
    expect(opening({ REASVQA_CUDA_PATH, CUDA_SHIM_DRIVER: '13000' })).toMatch(
      /NVRTC 13 or 12 not found .*pip install nvidia-cuda-nvrtc,/,
    );
  });

  it('cuBLASLt is missing', () => {
    const text = opening({ REASVQA_CUDA_PATH: only('libcuda.so.1', 'libnvrtc.so.12') });
    expect(text).toMatch(/cuBLASLt 12 not found .*pip install nvidia-cublas-cu12/);
  });

  it('a library has another content than its name', () => {
    const path = only('libcuda.so.1', 'libcublasLt.so.12', 'libnvrtc-builtins.so.12');
    symlinkSync(join(process.env.REASVQA_CUDA_PATH!, 'libcublasLt.so.12'), join(path, 'libnvrtc.so.12'));
    expect(opening({ REASVQA_CUDA_PATH: path })).toMatch(
      /libnvrtc\.so\.12 has no function nvrtc\w+: it is too old or not the real library/,
    );
    const broken = only('libcublasLt.so.12', 'libnvrtc.so.12');
    writeFileSync(join(broken, 'libcuda.so.1'), 'not a library');
    expect(opening({ REASVQA_CUDA_PATH: broken })).not.toBe('CUDA shim 0');
  });

  it('another GPU is in use by this process', () => {
    const { stdout } = inChild('cuda.open(0, 0); cuda.open(1, 0);', { CUDA_SHIM_DEVICES: '2' });
    expect(stdout).toMatch(/GPU 0 is in use already; a process computes on one GPU/);
  });

  it('nothing was opened', () => {
    expect(inChild('if (0) cuda.open(); cuda.allocate(4);').stdout).toMatch(/no CUDA device is open/);
  });
});

onShim('a kernel that fails', () => {
  const cast = `
    const id = cuda.allocate(40);
    cuda.write(id, new Float32Array(10));
    const narrow = cuda.castStorage(id, 10);
    console.log('queued');`;
  const failing = { CUDA_SHIM_FAIL_KERNEL: 'f32ToBf16' };
  const launch = 'f32ToBf16 of storage.cu, grid (1, 1, 1), block (256, 1, 1), shared 0 bytes, arguments [';

  it('is named, with its launch, at the next read; afterwards the first fault is repeated', () => {
    const script = `${cast}
      for (let i = 0; i < 2; i++) {
        try {
          cuda.read(id, new Float32Array(10));
        } catch (error) {
          console.log(error.message);
        }
      }`;
    const [first, second, third] = inChild(script, failing).stdout.split('\n');
    expect(first).toBe('queued');
    expect(second).toMatch(
      /^cuStreamSynchronize failed: CUDA_ERROR_ILLEGAL_ADDRESS, an illegal memory access/,
    );
    expect(second).toContain(launch);
    expect(second).toMatch(/, 10\];/);
    expect(third).toMatch(/^the GPU cannot be used after an earlier fault: cuStreamSynchronize failed/);
  });

  it('is named when its name was put together for the launch', () => {
    const script = `
      const ids = Array.from({ length: 4 }, () => cuda.allocate(4 * 8));
      const numbers = new Float64Array(addon.callNumbers);
      addon.setParams(new Int32Array(64), numbers);
      const at = Object.fromEntries(cuda.layouts.attention.map((field) => [field.name, field.at]));
      for (const name of ['bias', 'keyMask', 'kept']) numbers[at[name]] = -1;
      ['q', 'k', 'v', 'out'].forEach((name, i) => numbers.set([ids[i], 3, 1, 1, 8], at[name]));
      for (const name of ['heads', 'keys', 'scale']) numbers[at[name]] = 1;
      cuda.attention();
      try {
        cuda.read(ids[3], new Float32Array(8));
      } catch (error) {
        console.log(error.message);
      }`;
    const { stdout } = inChild(script, { CUDA_SHIM_FAIL_KERNEL: 'attentionForward2' });
    expect(stdout).toContain('attentionForward2 of attention.cu, grid (1, 1, 1), block (256, 1, 1)');
  });

  it('is an error at the launch itself with REASVQA_CUDA_SYNC=1', () => {
    const { stdout } = inChild(cast, { ...failing, REASVQA_CUDA_SYNC: '1' });
    expect(stdout).toContain(`the kernel ${launch}`);
    expect(stdout).not.toContain('queued');
  });

  it('that does not compile is shown with the log of the compiler', () => {
    const { stdout } = inChild(cast, { CUDA_SHIM_NVRTC_FAIL: '1', REASVQA_CACHE: join(folder, 'empty') });
    expect(stdout).toMatch(
      /the kernels of storage\.cu do not compile for sm_90 with NVRTC 12\.8 \(NVRTC_ERROR_COMPILATION\):\ntold to fail/,
    );
  });
});
