/** The proxy of an address, and requests through real proxies on 127.0.0.1. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { isListed, networkFetch, ProxyError, proxyFor, routeOf } from '../../src/base/network.js';
import { type ProxyAnswers, webProxy, withoutProxies } from '../support/proxy.js';

const open: (() => unknown)[] = [];
beforeEach(() => withoutProxies(vi.stubEnv));
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const close of open.splice(0)) await close();
});

describe('the proxy of an address', () => {
  it.each([
    ['http://a.example/x', { http_proxy: 'http://p:1' }, 'http_proxy'],
    ['http://a.example/x', { HTTP_PROXY: 'http://p:1' }, 'HTTP_PROXY'],
    ['http://a.example/x', { HTTP_PROXY: 'http://q:1', http_proxy: 'http://p:1' }, 'http_proxy'],
    ['http://a.example/x', { HTTP_PROXY: 'http://p:1', http_proxy: ' ' }, 'HTTP_PROXY'],
    ['https://a.example/x', { https_proxy: 'http://p:1', http_proxy: 'http://q:1' }, 'https_proxy'],
    ['https://a.example/x', { HTTPS_PROXY: 'http://p:1', ALL_PROXY: 'http://q:1' }, 'HTTPS_PROXY'],
    ['https://a.example/x', { all_proxy: 'http://p:1', http_proxy: 'http://q:1' }, 'all_proxy'],
    ['http://a.example/x', { ALL_PROXY: 'p:1' }, 'ALL_PROXY'],
  ])('%s with %j is named by %s', (address, env, variable) => {
    expect(proxyFor(address, env)).toEqual({ origin: 'http://p:1', variable });
  });

  it.each([
    ['http://a.example/x', {}],
    ['http://a.example/x', { https_proxy: 'http://p:1' }],
    ['https://a.example/x', { http_proxy: 'http://p:1', https_proxy: '' }],
    ['http://a.example/x', { http_proxy: 'http://p:1', NO_PROXY: 'a.example' }],
    ['http://localhost:8000/v1', { all_proxy: 'http://p:1' }],
    ['http://127.8.0.1/v1', { http_proxy: 'http://p:1' }],
    ['http://0.0.0.0:8000/v1', { http_proxy: 'http://p:1' }],
    ['https://[::1]:8000/v1', { https_proxy: 'http://p:1' }],
    // What no request needs is not judged.
    ['http://a.example/x', { http_proxy: 'socks5://p:1', no_proxy: '*' }],
  ])('%s with %j is none', (address, env) => {
    expect(proxyFor(address, env)).toBeUndefined();
  });

  it.each([
    ['http://me:secret@p:1', 'me:secret'],
    ['me:se%40c%3Aret@p:1', 'me:se@c:ret'],
    ['http://me@p:1', 'me:'],
    ['http://me:100%@p:1', 'me:100%'],
  ])('takes user and password out of %s', (value, words) => {
    const authorization = `Basic ${Buffer.from(words).toString('base64')}`;
    expect(proxyFor('http://a.example', { http_proxy: value })).toEqual({
      origin: 'http://p:1',
      variable: 'http_proxy',
      authorization,
    });
  });

  it.each([
    ['socks5://me:secret@p:1080', /^ALL_PROXY names a socks5 proxy \(p:1080\)/],
    ['socks4a://p:1080', /socks4a proxy/],
    ['ftp://p', /names a ftp proxy/],
    ['http://me:sec#ret@p:1', /^ALL_PROXY: not the address of a proxy/],
    ['http://me:12/secret@p:1', /percent-encoded/],
    ['http://', /not the address/],
    ['http://p:port', /not the address/],
  ])('refuses %s and shows no password', (value, message) => {
    const ask = () => proxyFor('https://a.example', { ALL_PROXY: value });
    expect(ask).toThrow(UsageError);
    expect(ask).toThrow(message);
    expect(ask).not.toThrow(/sec/);
  });

  it('is told at the end of a message, or why there is none', () => {
    const env = { https_proxy: 'http://me:secret@p:1', NO_PROXY: 'b.example' };
    expect(routeOf('https://a.example', env)).toBe(', through the proxy http://p:1 (https_proxy)');
    expect(routeOf('https://b.example', env)).toBe(', without a proxy (NO_PROXY lists it)');
    expect(routeOf('https://localhost', env)).toBe(', without a proxy (an address of this machine)');
    expect(routeOf('http://a.example', env)).toBe(', without a proxy (http_proxy is not set)');
    expect(routeOf('http://a.example', {})).toBe('');
  });
});

it.each([
  ['http://a.example', '*', true],
  ['http://a.example', 'b.example, a.example', true],
  ['http://x.a.example', 'a.example', true],
  ['http://x.a.example', '.a.example', true],
  ['http://a.example', '*.a.example', true],
  ['http://A.Example.', 'a.EXAMPLE', true],
  ['http://a.example', 'http://a.example/', true],
  ['http://ba.example', 'a.example', false],
  ['http://a.example.org', 'a.example', false],
  ['http://a.example', ' , ,', false],
  ['http://a.example:8080', 'a.example:8080', true],
  ['http://a.example', 'a.example:80', true],
  ['https://a.example', 'a.example:443', true],
  ['https://a.example', 'a.example:80', false],
  ['http://10.1.2.3', '10.1.2.3', true],
  ['http://10.1.2.3', '10.0.0.0/8', true],
  ['http://11.1.2.3', '10.0.0.0/8', false],
  ['http://10.1.2.3:9000', '10.1.2.3:9000', true],
  ['http://10.1.2.3', '10.0.0.0/40', false],
  ['http://10.1.2.3', '3', false],
  ['http://[2001:db8::7]', '2001:db8::/32', true],
  ['http://[2001:db8::7]', '2001:0db8:0::7', true],
  ['http://[2001:db8::7]:81', '[2001:db8::7]:81', true],
  ['http://[2001:db9::7]', '[2001:db8::]/32', false],
  ['http://ten.example', '10.0.0.0/8', false],
])('%s is in the no_proxy list "%s": %s', (address, list, expected) => {
  expect(isListed(new URL(address), list)).toBe(expected);
});

/** A web server that answers with the path, and a proxy to it. */
async function setup(answers: ProxyAnswers = {}) {
  const server = createServer((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: 'http://other.example/here' }).end();
    else response.end(`host ${request.headers.host} path ${request.url}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const proxy = await webProxy({ port, ...answers });
  open.push(proxy.close, () => server.close());
  return { proxy, port };
}

const failure = (address: string, init?: RequestInit): Promise<ProxyError> =>
  networkFetch(address, init).then(
    () => expect.fail('no error'),
    (error) => error,
  );

describe('fetch', () => {
  it('asks the proxy for whole http addresses, with user and password, also after a redirect', async () => {
    const { proxy } = await setup();
    vi.stubEnv('HTTP_PROXY', `http://me:secret@${proxy.host}`);
    const response = await networkFetch('http://some.example/moved');
    expect(await response.text()).toBe('host other.example path /here');
    expect(proxy.asked).toEqual(['GET http://some.example/moved', 'GET http://other.example/here']);
    const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    expect(proxy.authorizations).toEqual([basic, basic]);
  });

  it('asks hosts in no_proxy and this machine directly', async () => {
    const { proxy, port } = await setup();
    vi.stubEnv('http_proxy', `http://${proxy.host}`);
    expect(await (await networkFetch(`http://127.0.0.1:${port}/own`)).text()).toMatch(/path \/own/);
    vi.stubEnv('no_proxy', 'some.invalid');
    expect((await failure('http://some.invalid/x')).message).toBe('fetch failed');
    expect(proxy.asked).toEqual([]);
  });

  it('follows variables that change', async () => {
    const first = await setup();
    const second = await setup();
    for (const { proxy } of [first, second]) {
      vi.stubEnv('http_proxy', proxy.host);
      await (await networkFetch('http://some.example/x')).text();
      expect(proxy.asked).toEqual(['GET http://some.example/x']);
    }
  });

  it.each([
    ['http', '', /^the proxy http:\/\/\S+ \(http_proxy\) wants a user and password \(407\)/, 407],
    ['https', '', /^the proxy http:\/\/\S+ \(https_proxy\) wants a user and password \(407\)/, 407],
    ['http', 'me:secret@', /does not accept the user and password in http_proxy \(407\)/, 407],
    ['https', 'me:secret@', /does not accept the user and password in https_proxy \(407\)/, 407],
    ['https', '', /\(https_proxy\) refused to connect to some\.example \(403\)/, 403],
  ])('a proxy that refuses %s with "%s" is named: %s', async (scheme, user, message, status) => {
    const { proxy } = await setup({ status });
    vi.stubEnv(`${scheme}_proxy`, `http://${user}${proxy.host}`);
    const error = await failure(`${scheme}://some.example/x`);
    expect(error).toBeInstanceOf(ProxyError);
    expect(error).toMatchObject({ retry: false, lasting: true });
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('secret');
    expect(proxy.asked).toHaveLength(1);
  });

  it.each(['http', 'https'])('a proxy that drops %s is asked once, and named', async (scheme) => {
    const { proxy } = await setup({ drops: true });
    vi.stubEnv(`${scheme}_proxy`, proxy.host);
    const error = await failure(`${scheme}://some.example/x`);
    expect(error).toMatchObject({ retry: true, lasting: false });
    expect(error.message).toContain(`, through the proxy http://${proxy.host} (${scheme}_proxy)`);
    expect(proxy.asked).toHaveLength(1);
  });

  it.each([
    ['http', '127.0.0.1:9', 'http://127.0.0.1:9 (all_proxy) cannot be reached (ECONNREFUSED)'],
    ['https', '127.0.0.1:9', 'http://127.0.0.1:9 (all_proxy) cannot be reached (ECONNREFUSED)'],
    ['http', 'me:secret@proxy.invalid:3128', 'http://proxy.invalid:3128 (all_proxy) cannot be reached ('],
    ['https', 'me:secret@proxy.invalid:3128', 'http://proxy.invalid:3128 (all_proxy) cannot be reached ('],
  ])('a proxy for %s that is not there, %s, is named', async (scheme, value, message) => {
    vi.stubEnv('all_proxy', value);
    const error = await failure(`${scheme}://some.example/x`);
    expect(error.message).toContain(`the proxy ${message}`);
    expect(error).toMatchObject({ retry: true, lasting: true });
  });

  it('ends with the reason of its signal', async () => {
    const { proxy } = await setup();
    vi.stubEnv('http_proxy', proxy.host);
    const reason = new Error('stopped by hand');
    expect(await failure('http://some.example/x', { signal: AbortSignal.abort(reason) })).toBe(reason);
  });
});

const openssl = spawnSync('openssl', ['version']).status === 0;

describe.skipIf(!openssl)(
  `https${openssl ? '' : ' (SKIPPED: no openssl to make a certificate with)'}`,
  () => {
    async function tlsServer() {
      const folder = mkdtempSync(join(tmpdir(), 'network-'));
      open.push(() => rmSync(folder, { recursive: true }));
      const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
      const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
      const name = ['-subj', '/CN=hub.example', '-addext', 'subjectAltName=DNS:hub.example'];
      const made = spawnSync('openssl', ['req', '-x509', ...curve, ...name, '-keyout', key, '-out', cert]);
      expect(made.status, String(made.stderr)).toBe(0);
      const tls = { key: readFileSync(key), cert: readFileSync(cert) };
      const server = createTlsServer(tls, (request, response) => response.end(`secure ${request.url}`));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      open.push(() => server.close());
      return (server.address() as AddressInfo).port;
    }

    it('uses a tunnel that the proxy opens', async () => {
      const { proxy } = await setup({ port: await tlsServer() });
      vi.stubEnv('HTTPS_PROXY', `http://me:secret@${proxy.host}`);
      vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
      const response = await networkFetch('https://hub.example/file?x=1');
      expect(await response.text()).toBe('secure /file?x=1');
      expect(proxy.asked).toEqual(['CONNECT hub.example:443']);
      expect(proxy.authorizations).toEqual([`Basic ${Buffer.from('me:secret').toString('base64')}`]);
    });

    it('says what to do about a certificate that is not trusted', async () => {
      const { proxy } = await setup({ port: await tlsServer() });
      vi.stubEnv('HTTPS_PROXY', proxy.host);
      const error = await failure('https://hub.example/file');
      expect(error.message).toMatch(
        /certificate, through the proxy \S+ \(HTTPS_PROXY\); NODE_EXTRA_CA_CERTS/,
      );
      expect(error).toMatchObject({ retry: false });
      expect(proxy.asked).toHaveLength(1);
    });
  },
);
