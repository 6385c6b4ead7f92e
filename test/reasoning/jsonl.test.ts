/** JSON lines: torn files, full disks, two writers. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { JsonAppender, readJsonLines } from '../../src/reasoning/jsonl.js';

const folder = mkdtempSync(join(tmpdir(), 'jsonl-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('reads appended lines back, with true line numbers and offsets', async () => {
  const path = join(folder, 'a.jsonl');
  const rng = new Rng('jsonl');
  const values = Array.from({ length: 300 }, (_, i) => ({ i, text: '€🐶\u2028\n'.repeat(rng.int(2000)) }));
  const appender = await JsonAppender.open(path, 0);
  await Promise.all(values.map((value) => appender.append(value)));
  await appender.close();
  const bytes = readFileSync(path);
  const read: unknown[] = [];
  for await (const { value, line, end } of readJsonLines(path)) {
    read.push(value);
    expect(line).toBe(read.length);
    expect(bytes[end - 1]).toBe(10);
  }
  expect(read).toEqual(values);
});

it('has a line on the disk when its promise resolves', async () => {
  const path = join(folder, 'b.jsonl');
  const appender = await JsonAppender.open(path, 0);
  for (let i = 0; i < 5; i++) {
    await appender.append({ i });
    expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(i + 1);
  }
  await appender.close();
});

it('cuts a half-written line back when the disk is full, and refuses to go on', async () => {
  const path = join(folder, 'full.jsonl');
  const file = await open(path, 'w');
  let room = 30;
  const full = {
    stat: () => file.stat(),
    write: async (bytes: Buffer, offset: number, length: number, position: number) => {
      const fits = Math.min(length, room);
      if (fits === 0) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      room -= fits;
      return file.write(bytes, offset, fits, position);
    },
    datasync: () => file.datasync(),
    truncate: (size: number) => file.truncate(size),
    close: () => file.close(),
  };
  const appender = new JsonAppender(full as never, path, 0);
  await appender.append({ text: 'first line' });
  await expect(appender.append({ text: 'this does not fit' })).rejects.toThrow(DataError);
  await expect(appender.append({ text: 'x' })).rejects.toThrow(/could not be appended to \(ENOSPC/);
  await appender.close();
  expect(readFileSync(path, 'utf8')).toBe('{"text":"first line"}\n');
});

it('names the line that is wrong', async () => {
  const path = join(folder, 'bad.jsonl');
  writeFileSync(path, '{"a":1}\n\n{"a":\n');
  const read = async () => {
    for await (const line of readJsonLines(path)) void line;
  };
  await expect(read()).rejects.toThrow(`${path}:3: not JSON`);
  rmSync(path);
  await expect(read()).rejects.toThrow(/: no such file$/);
});

it('writes over no line of another process, and says that there is one', async () => {
  const path = join(folder, 'two.jsonl');
  const first = await JsonAppender.open(path, 0);
  await first.append({ by: 'first' });
  const second = await JsonAppender.open(path, readFileSync(path).length);
  await second.append({ by: 'second' });
  await expect(first.append({ by: 'first' })).rejects.toThrow(
    /two\.jsonl: found \d+ bytes where this run left 15: another process writes to it; stop one/,
  );
  await expect(first.append({ by: 'first' })).rejects.toThrow(/another process/);
  await second.append({ by: 'second' });
  await Promise.all([first.close(), second.close()]);
  expect(readFileSync(path, 'utf8')).toBe('{"by":"first"}\n{"by":"second"}\n{"by":"second"}\n');
});

it('does not append to a file that was replaced', async () => {
  const path = join(folder, 'replaced.jsonl');
  const appender = await JsonAppender.open(path, 0);
  await appender.append({ i: 0 });
  writeFileSync(`${path}.new`, readFileSync(path));
  renameSync(`${path}.new`, path);
  await expect(appender.append({ i: 1 })).rejects.toThrow(/another file in its place: another process/);
  await appender.close();
});
