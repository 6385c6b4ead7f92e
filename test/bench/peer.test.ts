/** The peer process, and PyTorch as one where PEER_PYTHON names it. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Peer } from '../../bench/speed/peer.mjs';
import { makeStudent } from '../../bench/speed/student.mjs';
import { readWorkload } from '../../bench/speed/workload.mjs';
import { loadLibrary } from '../../src/commands/bench.js';
import { selectEngine } from '../../src/engine/engine.js';
import { workloadPath } from './support.js';

/** A peer written in JavaScript. */
const fake = (code: string) => [process.execPath, '-e', code];
const READY = `console.log('{"ready": true, "name": "fake"}');`;
const ANSWERS = `let n = 0; require('readline').createInterface({ input: process.stdin })
  .on('line', (line) => console.log(JSON.stringify({ ms: 100 * ++n, said: line })));`;
const open = (code: string) => Peer.open(fake(code), process.env);

describe('Peer', () => {
  it('answers each run with one line, whatever else it prints', async () => {
    const peer = await open(`console.log('loading'); ${READY} console.log('a warning'); ${ANSWERS}`);
    expect(peer.name).toBe('fake');
    expect(await peer.run()).toEqual({ ms: 100, said: 'run' });
    expect(await peer.run()).toEqual({ ms: 200, said: 'run' });
    const closed = new Promise((resolve) => peer.child.on('close', resolve));
    peer.close();
    expect(await closed).toBe(0);
  });

  it('takes turns at going first and compares pair by pair', async () => {
    const peer = await open(READY + ANSWERS);
    const order: string[] = [];
    const run = peer.run.bind(peer);
    peer.run = () => {
      order.push('theirs');
      return run();
    };
    const pairs = await peer.pairs(3, () => {
      order.push('ours');
      return 50;
    });
    expect(order).toEqual(['ours', 'theirs', 'theirs', 'ours', 'ours', 'theirs']);
    expect(pairs).toEqual({ name: 'fake', ms: 200, ratio: { median: 4, min: 2, max: 6, n: 3 } });
    peer.close();
  });

  it('reads answers that came before the end', async () => {
    const peer = await open(`${READY} console.log('{"ms": 7}'); process.exitCode = 3;`);
    await new Promise((resolve) => peer.child.on('close', resolve));
    expect(await peer.run()).toEqual({ ms: 7 });
    await expect(peer.run()).rejects.toThrow('the peer stopped: it ended with exit code 3');
  });

  it('says why one cannot start', async () => {
    await expect(open(`console.error("x\\nNo module named 'torch'"); process.exit(1)`)).rejects.toThrow(
      "it ended with exit code 1: No module named 'torch'",
    );
    await expect(open(`process.kill(process.pid, 'SIGKILL')`)).rejects.toThrow('it ended with SIGKILL');
    await expect(open('console.log("{}")')).rejects.toThrow('expected {"ready": true}');
    await expect(Peer.open(['/no/such/python'], process.env)).rejects.toThrow('ENOENT');
  });
});

const python = process.env.PEER_PYTHON;

describe.skipIf(!python)(`pytorch.py${python ? '' : ' (SKIPPED: PEER_PYTHON names no Python)'}`, () => {
  const script = fileURLToPath(new URL('../../bench/speed/peers/pytorch.py', import.meta.url));
  const run = (...given: string[]) => {
    const { stdout, stderr } = spawnSync(
      python!,
      [script, ...given, '--workload', workloadPath('tiny'), '--repeats', '1'],
      { encoding: 'utf8' },
    );
    const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
    expect(lines, stderr).toHaveLength(2);
    return lines.map((line) => JSON.parse(line));
  };

  it.each(['live', 'cached'])('trains as many parameters as we do, %s features', async (features) => {
    const lib = await loadLibrary();
    await selectEngine('auto');
    const { student, trainable } = await makeStudent(lib, await readWorkload(lib, workloadPath('tiny')), 0);
    const count = (parameters: Iterable<{ size: number }>) =>
      [...parameters].reduce((sum, { size }) => sum + size, 0);
    const [ready, step] = run('train-step', '--features', features);
    expect(ready).toMatchObject({
      parameters: count(student.module.parameters()),
      trainable: count(trainable),
    });
    expect(step.ms).toBeGreaterThan(0);
    expect(step.loss).toBeGreaterThan(0);
    student.dispose();
  });

  it('takes a step, decodes and multiplies in bf16', () => {
    const [, step] = run('train-step', '--precision', 'bf16');
    expect(Math.abs(step.loss - run('train-step')[1].loss)).toBeLessThan(0.3);
    expect(run('decode', '--precision', 'bf16')[1]).toMatchObject({ tokens: 64 });
    const [ready, product] = run('gemm', '--precision', 'bf16', '--size', '64');
    expect(ready.name).toMatch(/, bf16, \d+ threads$/);
    expect(product.ms).toBeGreaterThan(0);
  });

  it('decodes exactly 64 tokens', () => {
    expect(run('decode')[1]).toMatchObject({ tokens: 64 });
  });
});
