import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { checkSender } from '../../src/serve/http.js';

describe('who may ask', () => {
  it.each([
    ['loopback', { host: '127.0.0.1:8765' }],
    ['loopback by name', { host: 'localhost:8765' }],
    ['loopback in IPv6', { host: '[::1]:8765' }],
    ['the end of a tunnel with another port', { host: 'localhost:9000', origin: 'http://localhost:9000' }],
    ['an address of the network', { host: '192.168.1.5:8765', origin: 'http://192.168.1.5:8765' }],
    ['behind a proxy that ends TLS', { host: '10.0.0.1', origin: 'https://10.0.0.1' }],
    ['this machine by its name', { host: `${hostname()}:8765` }],
    ['the name it listens at', { host: 'videos.lab:8765', origin: 'http://videos.lab:8765' }],
    ['its own page', { host: 'localhost:1', origin: 'http://localhost:1', 'sec-fetch-site': 'same-origin' }],
  ])('takes %s', (_, headers) => {
    expect(() => checkSender(headers, 'videos.lab')).not.toThrow();
  });

  it.each([
    ['a name that resolves here (DNS rebinding)', { host: 'evil.example:8765' }, 421],
    ['a name that begins like an own one', { host: 'localhost.evil.example' }, 421],
    ['no host', {}, 421],
    ['a host with more in it', { host: 'evil@127.0.0.1' }, 421],
    ['a page of another site', { host: '127.0.0.1:8765', origin: 'https://evil.example' }, 403],
    ['a page at another port', { host: '127.0.0.1:8765', origin: 'http://127.0.0.1:9000' }, 403],
    ['a page without an origin', { host: '127.0.0.1:8765', origin: 'null' }, 403],
    ['what a browser calls cross-site', { host: '127.0.0.1:8765', 'sec-fetch-site': 'cross-site' }, 403],
  ])('refuses %s', (_, headers, status) => {
    expect(() => checkSender(headers, 'videos.lab')).toThrow(expect.objectContaining({ status }));
  });
});
