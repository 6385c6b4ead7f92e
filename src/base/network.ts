/**
 * `fetch` through the proxy that the environment names, which Node's own `fetch` ignores. The rules are curl's; for
 * addresses of this machine they are Go's.
 */
import { BlockList, isIP } from 'node:net';
import type Undici from 'undici';
import type { Dispatcher, Pool, ProxyAgent } from 'undici';
import { causesOf, ReasVqaError, UsageError } from './errors.js';

type Environment = Readonly<Record<string, string | undefined>>;

interface Proxy {
  /** Where it is, without user and password. */
  origin: string;
  /** The variable that names it. */
  variable: string;
  /** Value of Proxy-Authorization, when the variable holds a user or password. */
  authorization?: string;
}

/** A request that failed at a proxy, or on its way through one; the message names the proxy and its variable. */
export class ProxyError extends Error {
  constructor(
    message: string,
    /** Whether another attempt may succeed. */
    readonly retry: boolean,
    /** Whether it says something about the proxy, and so about other requests. */
    readonly lasting: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'ProxyError';
  }
}

/**
 * The proxy for an address: `http_proxy` for http, `https_proxy` for https, else `all_proxy`, each also in capitals.
 * Lower case wins over capitals, and an empty variable counts as unset. No proxy is used for hosts that `no_proxy`
 * lists ({@link isListed}), nor for this machine itself: localhost, 127.0.0.0/8, ::1 and 0.0.0.0.
 *
 * @throws UsageError naming the variable when it holds no address, or a proxy of another kind, such as SOCKS.
 */
export function proxyFor(address: string | URL, env: Environment = process.env): Proxy | undefined {
  const url = new URL(address);
  const named = variableFor(url, env);
  if (!named || exclusionOf(url, env) !== undefined) return undefined;
  return parseProxy(named.variable, named.value, url.hostname);
}

/** The proxy of an address as the end of a message, beginning with a comma; empty when there is none. */
export function throughProxy(address: string | URL, env: Environment = process.env): string {
  const proxy = proxyFor(address, env);
  return proxy ? `, through the proxy ${proxy.origin} (${proxy.variable})` : '';
}

/** {@link throughProxy}, or why no proxy was used although the environment names one. */
export function routeOf(address: string | URL, env: Environment = process.env): string {
  if (!anyProxy(env)) return '';
  const url = new URL(address);
  const why = exclusionOf(url, env) ?? `${url.protocol.slice(0, -1)}_proxy is not set`;
  return throughProxy(url, env) || `, without a proxy (${why})`;
}

/**
 * Node's `fetch`, through the proxy of {@link proxyFor}; a redirect goes through that of its own address.
 *
 * @throws ProxyError when the proxy fails or refuses; UsageError as {@link proxyFor}; else what `fetch` throws.
 */
export async function networkFetch(address: string | URL, init?: RequestInit): Promise<Response> {
  if (!anyProxy(process.env)) return fetch(address, init);
  const url = new URL(address);
  return through(url, init?.signal, async ({ fetchThrough, dispatcher }) => {
    const response = await fetchThrough(url, { ...init, dispatcher });
    return { response, status: response.status };
  });
}

/** What a server answered: lower-case header names, and a body to be read or destroyed. */
export type NetworkAnswer = Dispatcher.ResponseData;

/**
 * One POST with neither time limits nor redirects, through the proxy of {@link proxyFor}. The body of the answer is a
 * Node stream, which takes much less processor time than the web streams of `fetch` for an answer of many small pieces.
 *
 * @throws as {@link networkFetch}; the signal's reason when aborted.
 */
export async function networkPost(
  address: string | URL,
  { headers, body, signal }: { headers: Record<string, string>; body: string; signal?: AbortSignal },
): Promise<NetworkAnswer> {
  const url = new URL(address);
  return through(url, signal, async ({ request, dispatcher }) => {
    const response = await request(url, {
      method: 'POST',
      headers,
      body,
      dispatcher,
      headersTimeout: 0,
      bodyTimeout: 0,
      ...(signal ? { signal } : {}),
    });
    return { response, status: response.statusCode };
  });
}

/** Sends a request, and tells its failure as the proxy's where there is one. */
async function through<T>(
  url: URL,
  signal: AbortSignal | null | undefined,
  send: (tools: Tools) => Promise<{ response: T; status: number }>,
): Promise<T> {
  const proxy = proxyFor(url);
  const tools = await library();
  let answer: { response: T; status: number };
  try {
    answer = await send(tools);
  } catch (error) {
    const chain = causesOf(error);
    const unusable = chain.find((cause) => cause instanceof ReasVqaError);
    if (unusable) throw unusable;
    if (!proxy || signal?.aborted) throw error;
    throw explained(chain, proxy, url);
  }
  if (proxy && answer.status === 407) throw unauthorized(proxy);
  return answer.response;
}

/** undici's own functions with a dispatcher of the same version: Node's take none of another. */
interface Tools {
  fetchThrough: (address: URL, init: unknown) => Promise<Response>;
  request: typeof Undici.request;
  dispatcher: Dispatcher;
}
let loaded: Promise<Tools> | undefined;

function library(): Promise<Tools> {
  loaded ??= import('undici').then(({ Agent, fetch: undiciFetch, Pool, ProxyAgent, request }) => {
    const agents = new Map<string, ProxyAgent>();
    const agentOf = ({ origin, authorization }: Proxy): ProxyAgent => {
      const key = `${origin} ${authorization}`;
      const token = authorization ? { token: authorization } : {};
      const agent =
        agents.get(key) ??
        new ProxyAgent({
          uri: origin,
          ...token,
          proxyTunnel: false,
          clientFactory: (url, options) => finite(new Pool(url, options)),
        });
      agents.set(key, agent);
      return agent;
    };
    const dispatcher = new Agent().compose((direct) => (options, handler) => {
      const proxy = proxyFor(options.origin!);
      return proxy ? agentOf(proxy).dispatch(options, handler) : direct(options, handler);
    });
    return { fetchThrough: undiciFetch as unknown as Tools['fetchThrough'], request, dispatcher };
  });
  return loaded;
}

/**
 * The connections to a proxy, with an end: undici opens a tunnel again and again, thousands of times a second, while the
 * proxy drops it and the error has this code.
 */
function finite(pool: Pool): Pool {
  const connect = pool.connect.bind(pool) as (options: Dispatcher.ConnectOptions) => Promise<object>;
  const once = (options: Dispatcher.ConnectOptions) =>
    connect(options).catch((error) => {
      throw error.code === 'UND_ERR_SOCKET' ? new Error('the connection broke', { cause: error }) : error;
    });
  return Object.assign(pool, { connect: once });
}

const VARIABLES = ['http_proxy', 'https_proxy', 'all_proxy'];

function settingOf(env: Environment, name: string): { variable: string; value: string } | undefined {
  for (const variable of [name, name.toUpperCase()]) {
    const value = env[variable]?.trim();
    if (value) return { variable, value };
  }
  return undefined;
}

function anyProxy(env: Environment): boolean {
  return VARIABLES.some((name) => settingOf(env, name));
}

function variableFor(url: URL, env: Environment) {
  return (
    settingOf(env, url.protocol === 'https:' ? 'https_proxy' : 'http_proxy') ?? settingOf(env, 'all_proxy')
  );
}

/** Why an address is asked without a proxy; undefined when nothing excludes it. */
function exclusionOf(url: URL, env: Environment): string | undefined {
  if (isOwn(url.hostname)) return 'an address of this machine';
  const list = settingOf(env, 'no_proxy');
  return list && isListed(url, list.value) ? `${list.variable} lists it` : undefined;
}

function parseProxy(variable: string, value: string, target: string): Proxy {
  const text = /^[a-z][a-z\d+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // The value is not shown: with a `#` or `/` in a password, part of the password is parsed as the host.
  if (!url?.hostname || /@/.test(url.pathname + url.search + url.hash)) {
    throw new UsageError(
      `${variable}: not the address of a proxy; expected e.g. http://proxy.example.com:3128, with the special ` +
        'characters of a password percent-encoded',
    );
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new UsageError(
      `${variable} names a ${url.protocol.slice(0, -1)} proxy (${url.host}), and only http and https proxies can be ` +
        `used; name one of those, or list ${target} in no_proxy`,
    );
  }
  const authorization = url.username || url.password ? { authorization: basic(url) } : {};
  return { origin: url.origin, variable, ...authorization };
}

function basic(url: URL): string {
  const decoded = (text: string) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  return `Basic ${Buffer.from(`${decoded(url.username)}:${decoded(url.password)}`).toString('base64')}`;
}

/**
 * Whether a list of `no_proxy` names an address. Its items are separated by commas or blanks: `*` is everything; a name
 * is that host and all below it, whether it begins with `.`, `*.` or neither; an IP address and a range such as
 * 10.0.0.0/8 are compared with addresses written as numbers, names are not looked up; `:port` after a host is that port
 * alone.
 */
export function isListed(url: URL, list: string): boolean {
  const host = bare(url.hostname);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return list.split(/[\s,]+/).some((entry) => {
    const item = entry.replace(/^[a-z]+:\/\/|\/$/gi, '');
    if (item === '*') return true;
    const [, name = '', only] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(item) ?? [item, item];
    if (only !== undefined && only !== port) return false;
    if (isIP(host)) return isWithin(host, bare(name));
    const domain = name.toLowerCase().replace(/^\*?\.|\.$/g, '');
    return domain !== '' && (host === domain || host.endsWith(`.${domain}`));
  });
}

/** A host without the brackets of IPv6 and the full stop at the end of a name. */
function bare(host: string): string {
  return host.replace(/[[\]]|\.$/g, '');
}

/** Whether an IP address is `range`, or in it when that is `address/bits`. */
function isWithin(address: string, range: string): boolean {
  const [base = '', bits] = range.split('/');
  const family = isIP(base);
  const whole = family === 6 ? 128 : 32;
  const prefix = bits === undefined ? whole : Number(bits);
  if (!family || !Number.isInteger(prefix) || prefix < 0 || prefix > whole) return false;
  const block = new BlockList();
  block.addSubnet(base, prefix, family === 6 ? 'ipv6' : 'ipv4');
  return block.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

const OWN = ['127.0.0.0/8', '0.0.0.0', '::1', '::'];

function isOwn(hostname: string): boolean {
  const host = bare(hostname);
  if (isIP(host)) return OWN.some((range) => isWithin(host, range));
  return host === 'localhost' || host.endsWith('.localhost');
}

/** Nobody answers there: the same for every request. */
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** The code of a connection that could not be made, among an error and its causes; undefined for other errors. */
export function unreachableCode(chain: readonly Error[]): string | undefined {
  return chain
    .map((error) => (error as NodeJS.ErrnoException).code)
    .find((code) => UNREACHABLE.has(code ?? ''));
}

/** What a failed request through `proxy` means; every connection is made to the proxy, so its failure is the proxy's. */
function explained(chain: readonly Error[], proxy: Proxy, url: URL): ProxyError {
  const name = `the proxy ${proxy.origin} (${proxy.variable})`;
  const cause = chain[0];
  const unreachable = unreachableCode(chain);
  if (unreachable) return new ProxyError(`${name} cannot be reached (${unreachable})`, true, true, { cause });
  const last = chain.at(-1)?.message ?? 'fetch failed';
  if (/Proxy Authentication Required/.test(last)) return unauthorized(proxy);
  const status = Number(/^Proxy response \((\d+)\)/.exec(last)?.[1]);
  if (status === 407) return unauthorized(proxy);
  if (status) {
    const message = `${name} refused to connect to ${url.host} (${status})`;
    return new ProxyError(message, status >= 500, true, { cause });
  }
  const certificate = chain.some((error) =>
    /CERT|SIGNATURE|ISSUER/.test(String((error as NodeJS.ErrnoException).code)),
  );
  const hint = certificate ? '; NODE_EXTRA_CA_CERTS names a file with the certificate of such a proxy' : '';
  return new ProxyError(`${last}, through ${name}${hint}`, !certificate, certificate, { cause });
}

function unauthorized({ origin, variable, authorization }: Proxy): ProxyError {
  const name = `the proxy ${origin} (${variable})`;
  return new ProxyError(
    authorization
      ? `${name} does not accept the user and password in ${variable} (407)`
      : `${name} wants a user and password (407); write ${origin.replace('://', '://user:password@')} into ${variable}`,
    false,
    true,
  );
}
