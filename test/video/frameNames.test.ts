/** The order of frames by their names. */
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { orderFrames, sortFrameNames } from '../../src/video/frameNames.js';

const png = (stems: readonly string[]) => stems.map((stem) => `${stem}.png`);
const shuffled = (names: readonly string[]) => new Rng(names.join()).shuffle([...names]);

describe('the order of frames', () => {
  test.each<[string, string[]]>([
    ['whole numbers', ['frame1', 'frame2', 'frame9', 'frame10', 'frame100']],
    ['whole numbers with zeros before', ['0001', '0002', '0010', '0100']],
    ['half seconds', ['0', '0.5', '1', '1.5', '2', '9.5', '10', '10.5']],
    ['quarter seconds', ['frame_0', 'frame_0.25', 'frame_0.5', 'frame_0.75', 'frame_1', 'frame_1.25']],
    ['seconds as Python writes them', ['0.0', '0.25', '0.5', '0.75', '1.0', '1.25', '10.0', '10.125']],
    ['seconds of two digits', ['0.00', '0.05', '0.50', '1.00', '1.95', '10.05']],
    ['thirds', ['0.033', '0.067', '0.1', '0.133', '0.167', '0.2', '0.3', '1.033']],
    ['a unit behind the number', ['t_0s', 't_0.25s', 't_0.5s', 't_1s', 't_1.5s', 't_10s']],
    ['a decimal comma', ['0', '0,25', '0,5', '1', '1,25', '1,5']],
    ['minutes and seconds', ['0_0.5', '0_10.25', '0_10.5', '1_0.125', '1_0.5', '10_0.5']],
    ['seconds before zero', ['-1.5', '-1.25', '-1', '-0.5', '0', '0.5', '1.25']],
    ['whole numbers before zero', ['f_-10', 'f_-2', 'f_-1', 'f_0', 'f_1', 'f_10']],
    ['a hyphen before every number', ['v-1', 'v-2', 'v-10']],
    ['a hyphen that every name has', ['ab_-1', 'ab_-2', 'ab_-10']],
    ['a hyphen before the only number of names unlike the others', ['ab_-1', 'ab_-2', 'ab_-10', 'last']],
    ['counters that begin again', ['1.8', '1.9', '1.10', '1.11', '2.1', '2.2']],
    ['counters behind a file name', [1, 2, 3, 5, 8, 9, 11, 12].map((i) => `clip.mp4.${i}`)],
    ['numbers of three parts', ['1.2.3', '1.2.10', '1.10.1']],
    ['nanoseconds', ['1403636579.763555584', '1403636579.8', '1403636580.013555584', '1403636580.1']],
    ['long numbers', ['1403636579763555584', '1403636579763555585', '1403636579763555590']],
    ['a version before the time', ['v1.10_0', 'v1.10_0.25', 'v1.10_0.5', 'v1.10_1']],
    ['one second of a long video', ['12.25', '12.5', '12.75']],
  ])('%s', (_, stems) => {
    expect(sortFrameNames(shuffled(png(stems)))).toEqual(png(stems));
  });

  test('is the order of the values, for random times of one to four digits', () => {
    const rng = new Rng('times');
    for (let round = 0; round < 50; round++) {
      const scale = 10 ** (1 + rng.int(4));
      const values = [...new Set(Array.from({ length: 30 }, () => rng.int(40 * scale) / scale))];
      const names = values.map((value) => `frame_${value}.jpg`);
      const expected = values.sort((a, b) => a - b).map((value) => `frame_${value}.jpg`);
      expect(sortFrameNames(names)).toEqual(expected);
    }
  });

  test('hidden files, those of the system and other kinds are no frames', () => {
    const names = [
      '10.jpg',
      '9.JPG',
      '1.png',
      'x.md',
      '._1.png',
      '._9.JPG',
      '.10.jpg',
      '.DS_Store',
      'Thumbs.db',
    ];
    expect(sortFrameNames([...names, 'desktop.ini', '@eaDir', '__MACOSX'])).toEqual([
      '1.png',
      '9.JPG',
      '10.jpg',
    ]);
  });
});

describe('the notice of names that can be read in two ways', () => {
  test.each<[string[], object]>([
    [['0.25', '0.5', '0.75'], { reading: 'decimals', first: '0.25.png', second: '0.5.png' }],
    [['1.9', '1.10'], { reading: 'versions', first: '1.9.png', second: '1.10.png' }],
    [['a3.8', 'a4.11', 'a4.9'], { reading: 'decimals', first: 'a4.11.png', second: 'a4.9.png' }],
    [['a3.8', 'a3.9', 'a3.11'], { reading: 'versions', first: 'a3.9.png', second: 'a3.11.png' }],
  ])('%j', (stems, guess) => {
    expect(orderFrames(png(stems)).guess).toEqual(guess);
  });

  test.each([
    [['0', '0.5', '1', '1.5']],
    [['0.00', '0.25', '1.00']],
    [['frame1', 'frame2', 'frame10']],
    [['-0.5', '0', '0.5']],
    [['1.2.3', '1.2.10']],
  ])('nothing when both give one order: %j', (stems) => {
    expect(orderFrames(png(stems)).guess).toBeUndefined();
  });
});
