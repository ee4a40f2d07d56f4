/** What naming and configuration over gRPC share: the binding's clients, calls of them, and whether the server answers. */
import { messageOf, type Log } from '@lane/core/model';
import { Complaints } from '../complaints.js';
import { Trouble } from '../trouble.js';
import type { NacosOptions } from '../connection.js';
import { NacosError } from '../nacos-error.js';
import { makeUnfiltered } from '../sdk/adapter.js';
import { parseServers, type ServerAddress } from '../server-address.js';
import { loadBinding, type Binding, type BindingConfig, type BindingNaming, type BindingOptions } from './grpc-binding.js';
import { probe } from './probe.js';

/** gRPC is served this far above the HTTP port. */
const GRPC_PORT_OFFSET = 1_000;
const CALL_TIMEOUT_MS = 5_000;

/** A session with Nacos over gRPC. Everything is called outside any lane. */
export class GrpcSession {
  /** Namespace id; `public` for the one without. */
  readonly namespace: string;
  readonly trouble: Trouble;
  readonly #servers: readonly ServerAddress[];
  readonly #options: NacosOptions;
  readonly #log: Log;
  readonly #holdProcess: boolean;
  readonly #onRecovered: () => void;
  readonly #complaints: Complaints;
  #naming: BindingNaming | undefined;
  #config: BindingConfig | undefined;
  #connecting: Promise<unknown> = Promise.resolve();
  #reachable: boolean | undefined;
  #downSince = 0;
  #closed = false;

  /** `onRecovered`: called when the server answers again after an outage, behind those who watch trouble. Throws a NacosError if the server's address is none. */
  constructor(options: NacosOptions, log: Log, onRecovered: () => void) {
    this.namespace = options.namespace === undefined || options.namespace === '' ? 'public' : options.namespace;
    this.#servers = parseServers(options.server);
    this.#options = options;
    this.#log = log;
    this.#holdProcess = options.holdProcess ?? false;
    this.#onRecovered = onRecovered;
    this.#complaints = new Complaints(log);
    this.trouble = new Trouble(log);
  }

  /** False during an outage; true before anything has been asked, too. */
  get reachable(): boolean {
    return this.#reachable !== false;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The naming client, connected. Rejects with a NacosError. */
  async naming(): Promise<BindingNaming> {
    return (this.#naming ??= await this.#connect(
      (binding, options) => this.#naming ?? makeUnfiltered(() => new binding.NacosNamingClient({ ...options, namingPushEmptyProtection: false })),
    ));
  }

  /** The configuration client, connected. Rejects with a NacosError. */
  async config(): Promise<BindingConfig> {
    return (this.#config ??= await this.#connect((binding, options) => this.#config ?? new binding.NacosConfigClient(options)));
  }

  /**
   * Runs one call of the binding, which may hang while the server is away. Rejects with a NacosError.
   * An answer from the binding's cache says nothing of the server.
   */
  async call<T>(doing: string, call: () => Promise<T>, isFromCache = false): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('no answer in time')), CALL_TIMEOUT_MS);
      if (!this.#holdProcess) timer.unref();
    });
    try {
      const result = await Promise.race([call(), late]);
      if (!isFromCache) this.#succeeded();
      return result;
    } catch (error) {
      throw this.#failed(translate(this.#options, doing, error));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Calls a listener; what it throws goes to the log. */
  tell<T>(listener: (value: T) => void, value: T): void {
    try {
      listener(value);
    } catch (error) {
      this.#log.error('a listener for Nacos failed', { error: messageOf(error) });
    }
  }

  /** Says once what went wrong in the background. */
  complain(error: unknown): void {
    if (!this.#closed) this.#complaints.say(error);
  }

  close(): void {
    this.#closed = true;
    this.#naming = undefined;
    this.#config = undefined;
  }

  /** One after another, and only where something listens: constructing a client blocks until it is connected. */
  #connect<T>(make: (binding: Binding, options: BindingOptions) => T): Promise<T> {
    const made = this.#connecting.then(async () => {
      if (this.#closed) throw new NacosError('ELANE_NACOS_UNREACHABLE', 'the connection is closed');
      const binding = loadBinding(this.#options.resolve);
      const servers = await this.#probe();
      const { username, password } = this.#options;
      const options: BindingOptions = {
        serverAddr: servers.map(({ host, port }) => `${host}:${port}`).join(','),
        namespace: this.namespace === 'public' ? '' : this.namespace,
        ...(username === undefined || username === '' ? {} : { username, password: password ?? '' }),
      };
      try {
        return make(binding, options);
      } catch (error) {
        throw this.#failed(translate(this.#options, 'connect', error));
      }
    });
    this.#connecting = made.catch(() => {});
    return made;
  }

  /** The servers at which something listens; the binding would block on others, which it takes at random. Rejects if there are none such. */
  async #probe(): Promise<ServerAddress[]> {
    const failures = await Promise.all(this.#servers.map(({ host, port }) => probe(host, port + GRPC_PORT_OFFSET, this.#holdProcess)));
    const listening = this.#servers.filter((_server, i) => failures[i] === undefined);
    if (listening.length > 0) return listening;
    const reasons = this.#servers.map(
      (server, i) => `${failures[i]} on port ${server.port + GRPC_PORT_OFFSET}, which is that of ${server.label} for gRPC`,
    );
    throw this.#failed(
      new NacosError(
        'ELANE_NACOS_UNREACHABLE',
        `Nacos at ${this.#options.server} can't be reached (${reasons.join('; ')}): is Nacos running there? Set LANE_NACOS_SERVER to its host:port`,
      ),
    );
  }

  #succeeded(): void {
    if (this.#reachable === true) return;
    const wasDown = this.#reachable === false;
    if (wasDown) {
      this.trouble.tell(true);
      this.#log.info(`Nacos at ${this.#options.server} answers again`, { afterMs: Math.round(performance.now() - this.#downSince) });
    }
    this.#reachable = true;
    if (wasDown) this.#onRecovered();
  }

  #failed(error: NacosError): NacosError {
    if (error.code !== 'ELANE_NACOS_UNREACHABLE') return error;
    if (this.#reachable === false || this.#closed) return error;
    this.#reachable = false;
    this.trouble.tell(false);
    this.#downSince = performance.now();
    this.#log.warn(`${error.message}. Until it answers, what is known of it stays in use`);
    return error;
  }
}

/** The error for something that the binding has no call for. */
export function unsupported(what: string): NacosError {
  return new NacosError('ELANE_UNSUPPORTED', `the gRPC binding can't ${what}: use LANE_NACOS_TRANSPORT=http for that, or Nacos's own console`);
}

function translate({ server, username }: NacosOptions, doing: string, error: unknown): NacosError {
  const message = messageOf(error);
  // The answer to a list without permission has no list in it, and the binding says only that.
  if (/error_code=40[13]|user not found|unknown user|no right|unauthori|authorization failed|missing field `serviceInfo`/i.test(message)) {
    return new NacosError(
      'ELANE_NACOS_REFUSED',
      username === undefined || username === ''
        ? `Nacos at ${server} wants a log-in: set LANE_NACOS_USERNAME and LANE_NACOS_PASSWORD`
        : `Nacos at ${server} refused user ${username}: check LANE_NACOS_USERNAME and LANE_NACOS_PASSWORD, and the user's permissions`,
      error,
    );
  }
  if (/result_code=|error_code=/.test(message))
    return new NacosError('ELANE_NACOS_ANSWER', `Nacos at ${server} refused to ${doing}: ${message}`, error);
  return new NacosError(
    'ELANE_NACOS_UNREACHABLE',
    `Nacos at ${server} can't be reached over gRPC (${message}): is Nacos running there? Set LANE_NACOS_SERVER to its host:port`,
    error,
  );
}
