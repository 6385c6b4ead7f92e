import { describe, expect, it } from 'vitest';
import { describeHead, endingOf } from '../../src/video/container.js';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const transport = (offset: number, size: number) => {
  const head = Buffer.alloc(512);
  for (let at = offset; at < 512; at += size) head[at] = 0x47;
  return head;
};

describe('the kind of a file', () => {
  it.each<[string, Buffer, string]>([
    ['mp4', bytes('\0\0\0\x20ftypisom'), '.mp4'],
    ['old mov', bytes('\0\0\0\x08wide\0\0'), '.mp4'],
    ['webm and mkv', bytes('\x1a\x45\xdf\xa3\x01'), '.mkv'],
    ['avi', bytes('RIFF\0\0\0\0AVI LIST'), '.avi'],
    ['webp', bytes('RIFF\0\0\0\0WEBPVP8L'), '.webp'],
    ['gif', bytes('GIF89a\x01'), '.gif'],
    ['ogv', bytes('OggS\0'), '.ogv'],
    ['flv', bytes('FLV\x01'), '.flv'],
    ['mpeg', bytes('\0\0\x01\xba\x44'), '.mpg'],
    ['ts', transport(0, 188), '.ts'],
    ['m2ts', transport(4, 192), '.ts'],
  ])('is seen of %s', (_, head, ending) => {
    expect(endingOf(head)).toBe(ending);
  });

  it.each<[string, string, RegExp]>([
    ['nothing', '', /empty/],
    ['a web page', '\xef\xbb\xbf\n<!DOCTYPE html><title>404', /web page/],
    // ffmpeg would open the files that these name.
    ['a playlist', '#EXTM3U\n/etc/secret.mp4', /playlist/],
    ['a list of ffmpeg', "ffconcat version 1.0\nfile '/etc/secret.mp4'", /playlist/],
    ['a manifest', '<?xml version="1.0"?><MPD>', /playlist/],
    ['a session description', 'v=0\r\no=- 0 0 IN IP4 127.0.0.1', /begins like none/],
    ['a sound', 'RIFF\0\0\0\0WAVEfmt ', /begins like none/],
    ['a picture', '\x89PNG\r\n', /picture/],
    ['an archive', 'PK\x03\x04', /archive/],
  ])('is none of %s, which is named', (_, head, name) => {
    expect(endingOf(bytes(head))).toBeUndefined();
    expect(describeHead(bytes(head))).toMatch(name);
  });
});
