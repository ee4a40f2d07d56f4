/**
 * Connections to instances. A request gets a socket only once it is connected. Until then, nothing of the request has been
 * read or sent, so another instance can be tried with all of it, including the body.
 */
import http, { type ClientRequest, type ClientRequestArgs, type IncomingMessage } from 'node:http';
import net, { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock, Log } from '@lane/core/model';

/** An instance that could not be reached: nothing was sent. */
export class NotConnectedError extends Error {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.name = 'NotConnectedError';
    this.code = code;
  }
}

/** An instance at its limit of requests. */
export function busy(limit: number): NotConnectedError {
  return new NotConnectedError(`${limit} requests are under way there`, 'ELANE_BUSY');
}

/** An instance that did not answer in time. */
export class InstanceTimeoutError extends Error {
  readonly code = 'ELANE_INSTANCE_TIMEOUT';

  constructor(message: string) {
    super(message);
    this.name = 'InstanceTimeoutError';
  }
}

/** Idle connections to instances are closed before Node's servers close them at 5 s, which could lose a request. */
const KEEP_ALIVE_MS = 4_000;

/** Called when an instance accepts a connection, or refuses it because nobody listens there or there is no route. */
export type OutcomeListener = (address: { readonly host: string; readonly port: number }, isConnected: boolean) => void;

/** Errors of connect(2) that mean this. */
const REFUSALS: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ECONNRESET']);

/** Connects, or calls back with a {@link NotConnectedError}. */
export function connectInstance(
  address: { readonly host: string; readonly port: number },
  timeoutMs: number,
  heard: OutcomeListener,
  done: (error: NotConnectedError | undefined, socket?: Socket) => void,
): void {
  const socket = net.connect({ host: address.host, port: address.port, noDelay: true, keepAlive: true });
  const timer = setTimeout(
    () => socket.destroy(new NotConnectedError(`no connection to ${address.host}:${address.port} within ${timeoutMs} ms`, 'ELANE_CONNECT_TIMEOUT')),
    timeoutMs,
  );
  const fail = (error: NodeJS.ErrnoException): void => {
    clearTimeout(timer);
    if (REFUSALS.has(error.code)) heard(address, false);
    done(error instanceof NotConnectedError ? error : new NotConnectedError(error.message, error.code ?? 'ECONNREFUSED'));
  };
  socket.once('error', fail);
  socket.once('connect', () => {
    clearTimeout(timer);
    socket.removeListener('error', fail);
    endByReset(socket);
    heard(address, true);
    done(undefined, socket);
  });
}

/**
 * Resets a connection that the gateway ends first. A normal close would keep its port for a minute (TIME_WAIT): clients that abandon
 * 500 requests a second would leave no port to connect from. Idle connections are closed normally: nothing is lost, and servers log resets.
 */
function endByReset(socket: Socket & { resetAndClosing?: boolean }): void {
  socket.destroy = (error) => {
    // The flag of `resetAndDestroy`, which waits for pending writes. libuv does not reset a socket that is shutting down.
    // If the instance has ended its side, the port is held there.
    if (!socket.writableEnded && !socket.readableEnded && !idle.has(socket)) socket.resetAndClosing = true;
    return Socket.prototype.destroy.call(socket, error) as typeof socket;
  };
  // Node calls this once the last answer of a connection is complete: the instance may take its time to close it.
  socket.destroySoon = () => void socket.destroy();
}

/**
 * Keeps connections to instances.
 *
 * A connection may pass to one client's request while more than the answer to another's is in flight: HTTP/1.1 can't tell the two apart
 * then (RFC 9112, 6.3 and 9.3). So a connection rests before it is reused, until everything that has arrived is read. An instance that
 * has sent unsolicited data gets a connection for each request, for a while.
 */
export class InstanceAgent extends http.Agent {
  readonly #options: InstanceAgentOptions;
  /** Until when an instance gets a connection for each request; in milliseconds of the clock. */
  readonly #unsharedUntil = new Map<string, number>();

  constructor(options: InstanceAgentOptions) {
    super({ keepAlive: true, timeout: KEEP_ALIVE_MS, scheduling: 'lifo' });
    this.#options = options;
  }

  /** Called by Node; without a socket as its result, it waits for `onCreate`. */
  override createConnection(options: ClientRequestArgs, onCreate?: (error: Error | null, socket: Duplex) => void): undefined {
    const { host, port } = options as { host: string; port: number };
    const { connectTimeoutMs, heard } = this.#options;
    connectInstance({ host, port }, connectTimeoutMs, heard, (error, socket) => {
      if (socket !== undefined) {
        instances.set(socket, `${host}:${port}`);
        // Before Node's own listener, so that the answer is still open for the chunk that ends it.
        socket.on('data', (chunk: Buffer) => {
          if (!isAsked(socket)) this.#endUnasked(socket, chunk);
        });
      }
      onCreate?.(error ?? null, socket as Socket);
    });
    return undefined;
  }

  /** A connection for a single request: `createConnection` of node:http. */
  readonly connectAnew = (options: ClientRequestArgs, onCreate: (error: Error | null, socket: Duplex) => void): undefined =>
    this.createConnection(options, onCreate);

  /** Node emits `free` once an answer is complete, and then passes the connection on. It rests before that. */
  override emit(event: string | symbol, ...values: unknown[]): boolean {
    if (event !== 'free') return super.emit(event, ...values);
    const socket = values[0] as Duplex;
    socket.on('error', ignore);
    const handOn = (): void => {
      socket.removeListener('error', ignore);
      if (!socket.destroyed) super.emit(event, ...values);
    };
    // Timers run before network polling, immediates after it: data that arrived while the loop was blocked is read first.
    setTimeout(() => setImmediate(handOn), REST_MS).unref();
    return true;
  }

  /** Called by Node with an idle connection. */
  override keepSocketAlive(socket: Duplex): boolean {
    // Its declared type is void.
    if (!this.#isShared(socket) || !(super.keepSocketAlive(socket) as unknown as boolean)) return false;
    idle.add(socket);
    return true;
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    idle.delete(socket);
    super.reuseSocket(socket, request);
  }

  /**
   * Notes where the answer to a request ends: data after it is unsolicited. Node drops what it reads before the client has read the answer, and the
   * part of a message that arrives together with the answer. The rest, if it arrives once the connection serves the next request, would count as
   * the answer to that.
   */
  noteAnswer(request: ClientRequest): void {
    request.once('response', (answer: IncomingMessage) => answers.set(request, answer));
    request.once('socket', (socket: Socket & { readonly parser?: Parser | null }) => {
      asking.set(socket, request);
      const { parser } = socket;
      if (parser === undefined || parser === null) return;
      parser[ON_MESSAGE_BEGIN] = () => {
        const { incoming } = parser;
        if (incoming?.complete !== true || (incoming.statusCode ?? 0) < 200) return;
        this.#unshare(socket);
      };
    });
  }

  #endUnasked(socket: Duplex, chunk: Buffer): void {
    socket.destroy();
    if (!HARMLESS.test(chunk.toString('latin1'))) this.#unshare(socket);
  }

  #isShared(socket: Duplex): boolean {
    const address = instances.get(socket) as string;
    const until = this.#unsharedUntil.get(address);
    if (until === undefined) return true;
    if (this.#options.clock.nowMs() < until) return false;
    this.#unsharedUntil.delete(address);
    return true;
  }

  #unshare(socket: Duplex): void {
    const address = instances.get(socket) as string;
    const { clock, log } = this.#options;
    const isNews = this.#isShared(socket);
    this.#unsharedUntil.set(address, clock.nowMs() + UNSHARED_MS);
    if (!isNews) return;
    for (const [other, until] of this.#unsharedUntil) if (until <= clock.nowMs()) this.#unsharedUntil.delete(other);
    for (const others of Object.values(this.freeSockets))
      for (const other of [...(others ?? [])]) if (instances.get(other) === address) other.destroy();
    log.warn(`${address} sent an unsolicited answer: each of its requests now gets its own connection`, { minutes: UNSHARED_MS / 60_000 });
  }
}

/** What {@link InstanceAgent} needs. */
export interface InstanceAgentOptions {
  readonly connectTimeoutMs: number;
  readonly heard: OutcomeListener;
  readonly log: Log;
  readonly clock: Clock;
}

/**
 * How long a connection rests between two requests: by then, what a server writes after its answer has mostly arrived. A client that sends the next
 * request at once gets another connection.
 */
const REST_MS = 2;
/** How long an instance that sent unsolicited data gets a connection for each request. */
const UNSHARED_MS = 600_000;
/** Harmless unsolicited data: 408 before the server closes a connection (RFC 9110, 15.5.9), and blank lines. */
const HARMLESS = /^(?:[\r\n]+$|HTTP\/1\.[01] 408)/;
/** By connection: its instance. */
const instances = new WeakMap<Duplex, string>();
/** Connections kept for the next request. */
const idle = new WeakSet<Duplex>();
/** By connection: its current or last request. */
const asking = new WeakMap<Duplex, ClientRequest>();
/** By request: its answer, once begun. */
const answers = new WeakMap<ClientRequest, IncomingMessage>();

/** Whether a connection expects an answer, or is receiving one. */
function isAsked(socket: Duplex): boolean {
  const request = asking.get(socket);
  return request !== undefined && answers.get(request)?.complete !== true;
}

function ignore(): void {}

/** A parser of node:http, and its last answer. */
type Parser = Record<number, (() => void) | null> & { readonly incoming?: IncomingMessage | null };
/** The parser's callback at the start of a message: `HTTPParser.kOnMessageBegin`, Node 20 to 26. Without it, Node's behaviour stays. */
const ON_MESSAGE_BEGIN = 0;

/** Counts each instance's requests in flight. */
export class InstanceLoad {
  readonly #underWay = new Map<string, number>();

  constructor(readonly limit: number) {}

  /** Counts one more request; false if the instance is at its limit. */
  enter(address: string): boolean {
    const count = this.#underWay.get(address) ?? 0;
    if (count >= this.limit) return false;
    this.#underWay.set(address, count + 1);
    return true;
  }

  leave(address: string): void {
    const count = this.#underWay.get(address) ?? 0;
    if (count <= 1) this.#underWay.delete(address);
    else this.#underWay.set(address, count - 1);
  }
}

/** An agent for one upgrade with an existing connection. */
export function agentOf(socket: Socket): http.Agent {
  const agent = new http.Agent();
  (agent as unknown as { createConnection: () => Socket }).createConnection = () => socket;
  return agent;
}
