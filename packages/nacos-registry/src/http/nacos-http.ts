/**
 * Requests to Nacos' HTTP API v1: several servers tried in turn, login, and one log line per outage.
 *
 * Credentials: name and password go into the body of the login, the token into headers, as `HttpIdentityContextBuilder` of Nacos' auth
 * module takes it (`accessToken`), or `NacosAuthManager` of Nacos 1 (`Authorization: Bearer`). Nacos 2.1 compares header names
 * case-sensitively, but Tomcat has lowered them: if it refuses a new token for that, the token goes into the query. Name and password never do.
 *
 * Every answer is bounded in size and time. Redirects are not followed.
 *
 * Runs inside other people's processes: sockets and timers keep no process alive unless asked to, and everything runs
 * outside the caller's lane.
 */
import type { Agent, IncomingHttpHeaders, RequestOptions } from 'node:http';
import { AwakeTimer, ByteCollector, runInLane, type Log, codeOf, jsonNumber, messageOf } from '@lane/core/model';
import { NacosError } from '../nacos-error.js';
import type { ServerAddress } from '../server-address.js';
import { oneLine } from '../one-line.js';
import { parseJson } from '../bounded-json.js';
import { openRequest } from '../untraced.js';

/** One request; paths are relative to the context path. */
export interface NacosCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly form?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** Ends the request without it counting as trouble. */
  readonly signal?: AbortSignal;
  /** false: doing it twice is not the same as doing it once. Default true. */
  readonly repeatable?: boolean;
}

/** Any answer of a working server, other than 401 and 403. */
export interface NacosAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The beginning of the body, for a message. Secrets of the request are removed, because something in between may echo it. */
  excerpt(): string;
}

/** Options of {@link NacosHttp}. */
export interface NacosHttpOptions {
  readonly servers: readonly ServerAddress[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly log: Log;
  /** Whether a request keeps the process alive until it is answered. */
  readonly holdProcess: boolean;
  /** Called at each change between reachable and not. */
  readonly onReachable: (reachable: boolean) => void;
  /** Called at each sign that the server may have forgotten something: whether it answers. */
  readonly onTrouble: (isReachable: boolean) => void;
}

/** The server sends UDP pushes only to clients that claim to be Java clients. */
const USER_AGENT = 'Nacos-Java-Client:v1.0.0';
const REQUEST_TIMEOUT_MS = 5_000;
/** An answer: 10,000 instances of a service, and far more than any document of ours. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Node's default, regardless of the app's flags. */
const MAX_HEADER_BYTES = 16 * 1024;
/** Answers before the answer (1xx); Nacos sends none. */
const MAX_INTERIM_ANSWERS = 10;
/** Lifetime of a token in seconds: the server's value within bounds. */
const TOKEN_TTL_S = { default: 18_000, min: 10, max: 30 * 24 * 3600 };
/** At start everything is asked for at once. */
const MAX_SOCKETS = 10;
/** Beside the one that waits for changes of documents. Nacos takes 8,192 connections, of all its clients (Tomcat's default). */
const MAX_FREE_SOCKETS = 1;
/** Wrong credentials are not tried again sooner. */
const REFUSED_PAUSE_MS = 5_000;
/** Statuses of a proxy without a server, and of a starting server. */
const NOT_SERVING = new Set([502, 503, 504]);
/** The last one is that of Nacos 3 (`UserControllerV3`), which has no other from 3.2 on. */
const LOGIN_PATHS = ['/v1/auth/users/login', '/v1/auth/login', '/v3/auth/user/login'];

/** The credentials of a request. */
interface Credentials {
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
}

/** The HTTP side of a connection. */
export class NacosHttp {
  /** Our own address as the servers see it; undefined before the first answer. */
  localAddress: string | undefined;
  /** Called with a server's address at each answer. */
  onPeer: ((address: string) => void) | undefined;

  readonly #options: NacosHttpOptions;
  readonly #agents: { http?: Agent; https?: Agent } = {};
  #server = 0;
  #reachable: boolean | undefined;
  #downSince = 0;
  #login: Promise<void> | undefined;
  #token: { value: string; renewAt: number } | undefined;
  /** Whether the server rejects a token in headers. */
  #tokenInQuery = false;
  /** The status with which a server without a login answered ours. */
  #noLogin: number | undefined;
  /** Whether the server has no login, and takes name and password in headers. */
  #sendsPassword = false;
  #saidNoLogin = false;
  #refused: { error: NacosError; until: number } | undefined;
  #closed = false;

  constructor(options: NacosHttpOptions) {
    this.#options = options;
  }

  /** The server in use, `host:port`. */
  get label(): string {
    return this.#current.label;
  }

  /** Its host: a name or an address. */
  get host(): string {
    return this.#current.host;
  }

  get port(): number {
    return this.#current.port;
  }

  /** The hosts of all servers. */
  get hosts(): readonly string[] {
    return this.#options.servers.map(({ host }) => host);
  }

  get #current(): ServerAddress {
    return this.#options.servers[this.#server] as ServerAddress;
  }

  /** Sends a request to the server in use, and to the others if that one fails. Rejects with a NacosError. */
  request(call: NacosCall): Promise<NacosAnswer> {
    return runInLane(undefined, () => this.#request(call));
  }

  /** Logs in anew, where there is a user name. Rejects with a NacosError. */
  logIn(): Promise<void> {
    return runInLane(undefined, async () => {
      this.#token = undefined;
      this.#refused = undefined;
      this.#noLogin = undefined;
      await this.#ensureLogin();
    });
  }

  /** The token for user and password, after a login if necessary; undefined: the server has no login. Rejects with a NacosError. */
  token(anew: boolean): Promise<string | undefined> {
    return runInLane(undefined, async () => {
      if (anew) this.#token = undefined;
      await this.#ensureLogin();
      return this.#token?.value;
    });
  }

  close(): void {
    this.#closed = true;
    this.#agents.http?.destroy();
    this.#agents.https?.destroy();
  }

  async #request(call: NacosCall): Promise<NacosAnswer> {
    await this.#ensureLogin();
    let answer = await this.#tryServers(call, this.#credentials());
    if (isRefusal(answer) && this.#token !== undefined) {
      // The token may be older than the server's secret, or than the server itself.
      this.#token = undefined;
      await this.#ensureLogin();
      answer = await this.#tryServers(call, this.#credentials());
      if (isRefusal(answer) && !this.#tokenInQuery) {
        answer = await this.#tryServers(call, this.#credentials(true));
        this.#tokenInQuery = !isRefusal(answer);
      }
    } else if (isRefusal(answer) && this.#noLogin !== undefined && !this.#sendsPassword) {
      answer = await this.#tryServers(call, this.#passwordHeaders());
      this.#sendsPassword = !isRefusal(answer);
    }
    if (isRefusal(answer)) throw this.#refusal();
    return answer;
  }

  #credentials(inQuery: boolean = this.#tokenInQuery): Credentials {
    const token = this.#token?.value;
    if (token === undefined) return this.#sendsPassword ? this.#passwordHeaders() : {};
    return inQuery ? { query: { accessToken: token } } : { headers: { accessToken: token, authorization: `Bearer ${token}` } };
  }

  /** Name and password in headers (`identityNames` of the default auth plugin), for servers whose plugin has no login. */
  #passwordHeaders(): Credentials {
    const { username = '', password = '' } = this.#options;
    return isHeaderValue(username) && isHeaderValue(password) ? { headers: { username, password } } : {};
  }

  async #ensureLogin(): Promise<void> {
    if (this.#options.username === undefined || this.#noLogin !== undefined) return;
    if (this.#token !== undefined && performance.now() < this.#token.renewAt) return;
    if (this.#refused !== undefined && performance.now() < this.#refused.until) throw this.#refused.error;
    this.#login ??= this.#logIn().finally(() => {
      this.#login = undefined;
    });
    await this.#login;
  }

  async #logIn(): Promise<void> {
    const { username, password } = this.#options;
    const form = { username: username ?? '', password: password ?? '' };
    let status = 0;
    for (const path of LOGIN_PATHS) {
      const answer = await this.#tryServers({ method: 'POST', path, form }, {});
      ({ status } = answer);
      // Nacos answers 403 to a wrong password, and 500 to a user that it doesn't know (seen with 2.2.4).
      if (isRefusal(answer) || status === 500) {
        const error = this.#refusal();
        this.#refused = { error, until: performance.now() + REFUSED_PAUSE_MS };
        throw error;
      }
      if (status !== 200) continue;
      const { accessToken, tokenTtl } = (parseJson(answer.body) ?? {}) as { accessToken?: unknown; tokenTtl?: unknown };
      if (typeof accessToken !== 'string' || accessToken === '' || !isHeaderValue(accessToken)) continue;
      const ttlMs = within(tokenTtl, TOKEN_TTL_S) * 1000;
      this.#token = { value: accessToken, renewAt: performance.now() + ttlMs * 0.8 };
      return;
    }
    this.#noLogin = status;
    if (this.#saidNoLogin) return;
    this.#saidNoLogin = true;
    this.#options.log.warn(
      `Nacos at ${this.label} has no login endpoint (it answered ${status} to ${LOGIN_PATHS.join(', ')}), so user and password are not sent: unset LANE_NACOS_USERNAME if it requires none, or add the context path to LANE_NACOS_SERVER if it is not /nacos`,
    );
  }

  #refusal(): NacosError {
    const { username } = this.#options;
    return new NacosError(
      'ELANE_NACOS_REFUSED',
      username === undefined
        ? `Nacos at ${this.label} requires authentication: set LANE_NACOS_USERNAME and LANE_NACOS_PASSWORD`
        : `Nacos at ${this.label} refused user ${username}: check LANE_NACOS_USERNAME and LANE_NACOS_PASSWORD, and the user's permissions`,
    );
  }

  async #tryServers(call: NacosCall, credentials: Credentials): Promise<NacosAnswer> {
    const { servers } = this.#options;
    const first = this.#server;
    let failure: NacosError | undefined;
    let defect: NacosAnswer | undefined;
    for (let i = 0; i < servers.length; i++) {
      const index = (first + i) % servers.length;
      const server = servers[index] as ServerAddress;
      try {
        const answer = await this.#sendSurely(server, call, credentials);
        if (answer.status === 500) {
          defect = answer;
          continue;
        }
        if (!NOT_SERVING.has(answer.status)) {
          this.#server = index;
          this.#succeeded();
          return answer;
        }
        failure = new NacosError(
          'ELANE_NACOS_UNREACHABLE',
          `Nacos at ${server.label} is not serving requests (${answer.status}: ${answer.excerpt()}): check its log`,
        );
      } catch (error) {
        if (call.signal?.aborted === true || this.#closed) throw error;
        // Another server may list other instances.
        if (servers.length > 1) this.#options.onTrouble(true);
        failure = error instanceof NacosError ? error : this.#unreachable(server, error);
      }
    }
    if (defect !== undefined) {
      this.#succeeded();
      return defect;
    }
    this.#failed(failure as NacosError);
    throw failure;
  }

  #unreachable(server: ServerAddress, error: unknown): NacosError {
    const reason = codeOf(error) ?? messageOf(error);
    return new NacosError(
      'ELANE_NACOS_UNREACHABLE',
      `Nacos at ${server.label} can't be reached (${reason}): is Nacos running there? Set LANE_NACOS_SERVER to its host:port`,
      error,
    );
  }

  #succeeded(): void {
    if (this.#reachable === true) return;
    const wasDown = this.#reachable === false;
    this.#reachable = true;
    if (wasDown) {
      this.#options.onTrouble(true);
      this.#options.log.info(`Nacos at ${this.label} answers again`, { afterMs: Math.round(performance.now() - this.#downSince) });
    }
    this.#options.onReachable(true);
  }

  #failed(error: NacosError): void {
    if (this.#reachable === false) return;
    this.#reachable = false;
    this.#downSince = performance.now();
    this.#options.log.warn(`${error.message}. Until it answers, its last known state stays in use`);
    this.#options.onTrouble(false);
    this.#options.onReachable(false);
  }

  /** Resends if a kept-alive connection turns out to be closed: servers close them at any time. */
  async #sendSurely(server: ServerAddress, call: NacosCall, credentials: Credentials): Promise<NacosAnswer> {
    try {
      return await this.#send(server, call, credentials);
    } catch (error) {
      if ((error as { isStale?: boolean }).isStale !== true || call.repeatable === false || call.signal?.aborted === true) throw error;
      // Closed by a server that restarts, perhaps.
      this.#options.onTrouble(true);
      return this.#send(server, call, credentials);
    }
  }

  #send(server: ServerAddress, call: NacosCall, credentials: Credentials): Promise<NacosAnswer> {
    if (this.#closed) return Promise.reject(new Error('the connection is closed'));
    const query = encode({ ...call.query, ...credentials.query });
    const form = call.form === undefined ? undefined : encode(call.form);
    const options: RequestOptions = {
      protocol: server.secure ? 'https:' : 'http:',
      agent: this.#agentOf(server),
      host: server.host,
      port: server.port,
      method: call.method,
      path: `${server.contextPath}${call.path}${query === '' ? '' : `?${query}`}`,
      headers: {
        'user-agent': USER_AGENT,
        'client-version': USER_AGENT,
        accept: '*/*',
        ...(form === undefined
          ? {}
          : { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8', 'content-length': Buffer.byteLength(form) }),
        ...call.headers,
        ...credentials.headers,
      },
      maxHeaderSize: MAX_HEADER_BYTES,
      insecureHTTPParser: false,
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    };
    return new Promise((resolve, reject) => {
      const request = openRequest(options);
      const timer = new AwakeTimer(call.timeoutMs ?? REQUEST_TIMEOUT_MS, () => giveUp(new Error('no answer in time')));
      if (!this.#options.holdProcess) timer.unref();
      const fail = (error: Error): void => {
        timer.clear();
        reject(error);
      };
      // Report the cause before destroying the request: afterwards Node reports only that it ended.
      const giveUp = (error: Error): void => {
        fail(error);
        request.destroy(error);
      };
      const overdone = (what: string): NacosError =>
        new NacosError(
          'ELANE_NACOS_ANSWER',
          `Nacos at ${server.label} ${what}: is it a Nacos server? Check LANE_NACOS_SERVER, and proxies in between`,
        );
      let interim = 0;
      request.on('information', () => {
        if (++interim > MAX_INTERIM_ANSWERS) giveUp(overdone(`sends more than ${MAX_INTERIM_ANSWERS} interim answers (1xx)`));
      });
      // Without a listener, Node silently ends a connection that answers with 101.
      request.on('upgrade', (_, socket) => {
        socket.destroy();
        fail(overdone('switches to another protocol (101)'));
      });
      request.on('socket', (socket) => {
        if (!this.#options.holdProcess) socket.unref();
      });
      request.on('error', (error) => {
        const code = codeOf(error);
        fail(Object.assign(error, { isStale: request.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE') }));
      });
      request.on('response', (response) => {
        const { socket } = response;
        this.localAddress = withoutMapping(socket.localAddress) ?? this.localAddress;
        const peer = withoutMapping(socket.remoteAddress);
        if (peer !== undefined) this.onPeer?.(peer);
        const bytes = new ByteCollector();
        response.on('data', (chunk: Buffer) => {
          if (bytes.length + chunk.length > MAX_ANSWER_BYTES) giveUp(overdone(`answers with more than ${MAX_ANSWER_BYTES} bytes`));
          else bytes.add(chunk);
        });
        response.on('error', fail);
        response.on('end', () => {
          timer.clear();
          const body = bytes.text({ keepsMark: true });
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body, excerpt: () => excerptOf(body, call, credentials) });
        });
      });
      request.end(form);
    });
  }

  #agentOf(server: ServerAddress): Agent {
    // Loaded here: an agent that never talks to Nacos must not load them.
    if (server.secure) {
      const https = require('node:https') as typeof import('node:https');
      return (this.#agents.https ??= new https.Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, maxFreeSockets: MAX_FREE_SOCKETS }));
    }
    const http = require('node:http') as typeof import('node:http');
    return (this.#agents.http ??= new http.Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, maxFreeSockets: MAX_FREE_SOCKETS }));
  }
}

function isRefusal(answer: NacosAnswer): boolean {
  return answer.status === 401 || answer.status === 403;
}

/** Whether a header can have this value as it is: visible ASCII and blanks. */
function isHeaderValue(value: string): boolean {
  return /^[\x20-\x7e]*$/.test(value);
}

/** A server's number within bounds; the default if it is invalid. */
export function within(value: unknown, bounds: { readonly default: number; readonly min: number; readonly max: number }): number {
  return Math.min(Math.max(jsonNumber(value) || bounds.default, bounds.min), bounds.max);
}

/** The start of an answer, for a message; nothing if the request had the password, which the answer may repeat in any encoding. */
function excerptOf(body: string, { form }: NacosCall, { headers, query }: Credentials): string {
  if (form?.['password'] !== undefined || headers?.['password'] !== undefined) return 'what it says is not shown, as the password was sent';
  const token = headers?.['accessToken'] ?? query?.['accessToken'];
  return excerpt(token === undefined ? body : body.replaceAll(token, '…').replaceAll(encodeURIComponent(token), '…'));
}

function excerpt(text: string): string {
  const line = oneLine(text.slice(0, 1000));
  return line.length > 160 ? `${line.slice(0, 160)}…` : line;
}

/** Whether a 404 means that the server does not know the API, rather than the object. */
export function isUnknownApi(answer: NacosAnswer): boolean {
  if (answer.status === 410 || answer.status === 501) return true;
  return answer.status === 404 && /^\s*[<{]/.test(answer.body);
}

/**
 * Whether a document does not exist. Nacos says so in text (alibaba/nacos, `ConfigServletInner.doGetConfig`): another server's 404 means
 * nothing, and must not pass for an empty list of lane groups.
 */
export function isAbsentDocument(answer: NacosAnswer): boolean {
  return answer.status === 404 && /config data not exist/i.test(answer.body);
}

/** The error for a server whose 404 is not Nacos'. */
export function noNacos(label: string, answer: NacosAnswer): NacosError {
  return new NacosError(
    'ELANE_NACOS_ANSWER',
    `${label} answered 404 (${answer.excerpt() || 'nothing more'}), but not as Nacos does for a missing document: is it a Nacos server? Set LANE_NACOS_SERVER to its host:port`,
  );
}

function encode(values: Readonly<Record<string, string | undefined>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) parameters.append(name, value);
  return parameters.toString();
}

/** An IPv4 address as such, if a dual-stack socket reports it as IPv6. */
export function withoutMapping(address: string | undefined): string | undefined {
  return address?.startsWith('::ffff:') === true ? address.slice(7) : address;
}
