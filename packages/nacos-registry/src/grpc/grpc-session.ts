/**
 * What naming and configuration over gRPC share: one connection to one of the servers, its replacement when lost, the login, requests,
 * and one log line per outage.
 *
 * Mechanism: the connection is made at the first request. If it is lost while something depends on it (registrations, subscriptions,
 * watched documents), it reconnects at once, to the next server first, and again after pauses of at most 1.5 s: a change right
 * after Nacos comes back must be in force within two seconds. Then its users repeat their requests.
 *
 * Runs inside other people's processes: connection and timers keep no process alive unless asked to.
 */
import { codeOf, jsonNumber, messageOf, SILENT_LOG, type Log } from '@lane/core/model';
import { Complaints } from '../complaints.js';
import type { NacosOptions } from '../connection.js';
import type { NacosHttp } from '../http/nacos-http.js';
import { NacosError } from '../nacos-error.js';
import { GRPC_PORT_OFFSET, parseServers, type ServerAddress } from '../server-address.js';
import { Trouble } from '../trouble.js';
import { ServerLink, textOf, type Message } from './server-link.js';

/** A user of the connection. */
export interface Dependant {
  /** Whether it needs the connection. */
  readonly isWaiting: boolean;
  /** Called with a new connection, on which nothing has been sent yet. */
  connected(): void;
  /** Called with the server's pushes, including those for others. */
  pushed(push: Message): void;
}

/** A request. */
export interface GrpcCall {
  /** Its purpose, for messages: `list shop`. */
  readonly doing: string;
  /** Nacos' class, such as `ServiceQueryRequest`. */
  readonly type: string;
  readonly fields: object;
  /** Errors of Nacos that count as answers. */
  readonly accepts?: readonly number[];
  /** false: doing it twice is not the same as doing it once. Default true. */
  readonly repeatable?: boolean;
}

const CALL_TIMEOUT_MS = 5_000;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 1_000;
const RETRY_JITTER_MS = 500;
/** A connection that lasted less than this is not replaced at once. */
const LASTING_MS = 2_000;
const SUCCESS = 200;
/** `NacosException`: codes for a refused user, and for a server that is starting. */
const REFUSALS: ReadonlySet<unknown> = new Set([401, 403]);
const STARTING = 300;

/** A session with Nacos over gRPC. Everything is called outside any lane. */
export class GrpcSession {
  /** Namespace id; `public` for the one without. */
  readonly namespace: string;
  readonly trouble: Trouble;
  readonly #servers: readonly ServerAddress[];
  readonly #options: NacosOptions;
  readonly #log: Log;
  readonly #holdProcess: boolean;
  readonly #complaints: Complaints;
  readonly #dependants: Dependant[] = [];
  /** The server to try first. */
  #server = 0;
  #link: ServerLink | undefined;
  #connecting: Promise<ServerLink> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retries = 0;
  /** The one that was sent last. */
  #token: string | undefined;
  #http: NacosHttp | undefined;
  #reachable: boolean | undefined;
  #downSince = 0;
  #closed = false;

  /** Throws a NacosError if the server's address is malformed. */
  constructor(options: NacosOptions, log: Log) {
    this.namespace = options.namespace === undefined || options.namespace === '' ? 'public' : options.namespace;
    this.#servers = parseServers(options.server);
    this.#options = options;
    this.#log = log;
    this.#holdProcess = options.holdProcess ?? false;
    this.#complaints = new Complaints(log);
    this.trouble = new Trouble(log);
  }

  /** False during an outage; true also before the first request. */
  get reachable(): boolean {
    return this.#reachable !== false;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether there is a connection. */
  get isConnected(): boolean {
    return this.#link !== undefined;
  }

  add(dependant: Dependant): void {
    this.#dependants.push(dependant);
  }

  /** Sends a request to the server in use, and to another one if that one is lost. Returns the fields of its answer. Rejects with a NacosError. */
  async request(call: GrpcCall): Promise<Readonly<Record<string, unknown>>> {
    let answer = await this.#send(call, false);
    // The token may be older than the server's secret, or than the server itself.
    if (REFUSALS.has(answer.fields['errorCode']) && this.#hasUser) answer = await this.#send(call, true);
    const { resultCode, errorCode, message } = answer.fields;
    if (REFUSALS.has(errorCode)) throw this.#refusal();
    if (answer.type === 'ErrorResponse' && errorCode === STARTING) throw this.#failed(this.#unreachable([textOf(message, 'it is starting')]));
    if ((resultCode === SUCCESS && answer.type !== 'ErrorResponse') || call.accepts?.includes(errorCode as number) === true) return answer.fields;
    throw this.refusedTo(call.doing, answer.fields);
  }

  /** The error for a failed answer. */
  refusedTo(doing: string, { message, errorCode }: Readonly<Record<string, unknown>>): NacosError {
    const why = this.#withoutToken(textOf(message, 'it does not say why'));
    return new NacosError('ELANE_NACOS_ANSWER', `Nacos at ${this.#label} refused to ${doing}: ${why} (error ${jsonNumber(errorCode)})`);
  }

  /** Logs in anew, where there is a user name. Rejects with a NacosError. */
  async logIn(): Promise<void> {
    if (this.#hasUser) await this.#loginHttp().logIn();
  }

  /** Calls a listener, and logs what it throws. */
  tell<T>(listener: (value: T) => void, value: T): void {
    try {
      listener(value);
    } catch (error) {
      this.#log.error('a listener for Nacos failed', { error: messageOf(error) });
    }
  }

  /** Logs once what went wrong in the background. */
  complain(error: unknown): void {
    if (!this.#closed) this.#complaints.say(error);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#link?.end(new Error('the connection is closed'));
    this.#link = undefined;
    this.#http?.close();
  }

  get #hasUser(): boolean {
    return this.#options.username !== undefined && this.#options.username !== '';
  }

  /** The server in use, `host:port`. */
  get #label(): string {
    return (this.#link?.server ?? (this.#servers[this.#server] as ServerAddress)).label;
  }

  async #send(call: GrpcCall, withNewToken: boolean): Promise<Message> {
    for (let attempt = 1; ; attempt++) {
      const link = await this.#connected();
      const headers = await this.#credentials(withNewToken);
      try {
        const answer = await link.request(call.type, call.fields, headers, CALL_TIMEOUT_MS);
        this.#succeeded();
        return answer;
      } catch (error) {
        // Lost before the answer, perhaps by a restarting server: try once more, on a new connection.
        if (attempt > 1 || call.repeatable === false || link.ended === undefined || this.#closed)
          throw this.#failed(this.#unreachable([reasonOf(error)]));
      }
    }
  }

  /** Who is asking (`HttpIdentityContextBuilder` and its like for gRPC of Nacos' auth module look for `accessToken`). The log-in goes over HTTP, also in Nacos 3. */
  async #credentials(anew: boolean): Promise<Readonly<Record<string, string>>> {
    if (!this.#hasUser) return {};
    const token = await this.#loginHttp().token(anew);
    if (token === undefined) return {};
    this.#token = token;
    return { accessToken: token };
  }

  /** Removes secrets: something in between may echo the request. */
  #withoutToken(text: string): string {
    const token = this.#token;
    return token === undefined ? text : text.replaceAll(token, '…').replaceAll(encodeURIComponent(token), '…');
  }

  #loginHttp(): NacosHttp {
    if (this.#http !== undefined) return this.#http;
    const { NacosHttp } = require('../http/nacos-http.js') as typeof import('../http/nacos-http.js');
    const { username, password } = this.#options;
    return (this.#http = new NacosHttp({
      servers: this.#servers,
      username,
      password,
      // Log an outage here, once.
      log: SILENT_LOG,
      holdProcess: this.#holdProcess,
      onTrouble: () => {},
      onReachable: () => {},
    }));
  }

  /** The connection, if necessary a new one. Rejects with a NacosError. */
  #connected(): Promise<ServerLink> {
    if (this.#closed) return Promise.reject(new NacosError('ELANE_NACOS_UNREACHABLE', 'the connection is closed'));
    if (this.#link !== undefined) return Promise.resolve(this.#link);
    return (this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    }));
  }

  async #connect(): Promise<ServerLink> {
    clearTimeout(this.#retry);
    const reasons: string[] = [];
    const first = this.#server;
    for (let i = 0; i < this.#servers.length && !this.#closed; i++) {
      const index = (first + i) % this.#servers.length;
      const server = this.#servers[index] as ServerAddress;
      try {
        const link = await ServerLink.open(server, {
          tenant: this.namespace === 'public' ? '' : this.namespace,
          holdProcess: this.#holdProcess,
          onPush: (push, link) => this.#pushed(push, link),
        });
        this.#server = index;
        this.#take(link);
        return link;
      } catch (error) {
        reasons.push(`${reasonOf(error)} on port ${server.port + GRPC_PORT_OFFSET}, which is that of ${server.label} for gRPC`);
      }
    }
    const error = this.#failed(this.#unreachable(reasons));
    this.#connectLater();
    throw error;
  }

  #take(link: ServerLink): void {
    if (this.#closed) {
      link.end(new Error('the connection is closed'));
      throw new Error('the connection is closed');
    }
    if (link.ended !== undefined) throw link.ended;
    this.#link = link;
    link.onEnd(() => this.#lost(link, (this.#server + 1) % this.#servers.length));
    this.#succeeded();
    for (const dependant of this.#dependants) dependant.connected();
  }

  /** A connection has ended; tries the server `next` first, then the others. */
  #lost(link: ServerLink, next: number): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    if (this.#closed) return;
    // Another server, or this one after a restart, may list other instances.
    this.trouble.tell(true);
    this.#server = next;
    if (performance.now() - link.openedAt < LASTING_MS) this.#connectLater();
    else this.#connectNow();
  }

  #connectLater(): void {
    if (this.#closed || !this.#dependants.some(({ isWaiting }) => isWaiting)) return;
    clearTimeout(this.#retry);
    const delayMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#retries++) + Math.random() * RETRY_JITTER_MS;
    this.#retry = setTimeout(() => this.#connectNow(), delayMs).unref();
  }

  #connectNow(): void {
    if (!this.#closed && this.#dependants.some(({ isWaiting }) => isWaiting)) this.#connected().catch((error: unknown) => this.complain(error));
  }

  #pushed(push: Message, link: ServerLink): void {
    if (push.type === 'ConnectResetRequest') this.#moved(push, link);
    else for (const dependant of this.#dependants) dependant.pushed(push);
  }

  /** The server redirects us, to balance or because it stops. We follow if the target is a configured server. */
  #moved({ fields }: Message, link: ServerLink): void {
    const { serverIp, serverPort } = fields;
    const named = this.#servers.findIndex(({ host, port }) => host === serverIp && port === jsonNumber(serverPort));
    this.#lost(link, named === -1 ? (this.#server + 1) % this.#servers.length : named);
    link.end(new Error('the server redirected the connection'));
  }

  #unreachable(reasons: readonly string[]): NacosError {
    return new NacosError(
      'ELANE_NACOS_UNREACHABLE',
      `Nacos at ${this.#options.server} can't be reached over gRPC (${this.#withoutToken(reasons.join('; '))}): is Nacos running there? Set LANE_NACOS_SERVER to its host:port`,
    );
  }

  #refusal(): NacosError {
    const { username } = this.#options;
    return new NacosError(
      'ELANE_NACOS_REFUSED',
      this.#hasUser
        ? `Nacos at ${this.#label} refused user ${username}: check LANE_NACOS_USERNAME and LANE_NACOS_PASSWORD, and the user's permissions`
        : `Nacos at ${this.#label} requires authentication: set LANE_NACOS_USERNAME and LANE_NACOS_PASSWORD`,
    );
  }

  #succeeded(): void {
    this.#retries = 0;
    if (this.#reachable === true) return;
    const wasDown = this.#reachable === false;
    this.#reachable = true;
    if (!wasDown) return;
    this.trouble.tell(true);
    this.#log.info(`Nacos at ${this.#options.server} answers again`, { afterMs: Math.round(performance.now() - this.#downSince) });
  }

  #failed(error: NacosError): NacosError {
    if (this.#reachable === false || this.#closed) return error;
    this.#reachable = false;
    this.#downSince = performance.now();
    this.#log.warn(`${error.message}. Until it answers, its last known state stays in use`);
    this.trouble.tell(false);
    return error;
  }
}

/** The error for something that Nacos does not support over gRPC. */
export function unsupported(what: string): NacosError {
  return new NacosError('ELANE_UNSUPPORTED', `Nacos can't ${what} over gRPC: use LANE_NACOS_TRANSPORT=http for that, or Nacos's own console`);
}

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  return code === undefined || !/^E[A-Z]+$/.test(code) ? textOf(messageOf(error), 'it does not say why') : code;
}
