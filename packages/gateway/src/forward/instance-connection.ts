/**
 * Connections to instances. A socket is handed to a request only once it is connected: until then nothing of the request has been
 * read or sent, so that another instance can be tried with all of it, body included.
 */
import http, { type ClientRequest, type ClientRequestArgs, type IncomingMessage } from 'node:http';
import net, { type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** An instance that could not be reached: nothing was sent. */
export class NotConnectedError extends Error {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.name = 'NotConnectedError';
    this.code = code;
  }
}

/** An instance that is asked as much as it may be at a time. */
export function busy(limit: number): NotConnectedError {
  return new NotConnectedError(`${limit} requests are under way there`, 'ELANE_BUSY');
}

/** An instance that kept silent for too long. */
export class InstanceTimeoutError extends Error {
  readonly code = 'ELANE_INSTANCE_TIMEOUT';

  constructor(message: string) {
    super(message);
    this.name = 'InstanceTimeoutError';
  }
}

/** Connections to instances that nothing is under way on are closed before Node's servers, at 5 s, would: what is sent just then is lost. */
const KEEP_ALIVE_MS = 4_000;

/** Told whether an instance took a connection, or refused it: nobody listens there, or no way leads there. */
export type OutcomeListener = (address: { readonly host: string; readonly port: number }, isConnected: boolean) => void;

/** Errors of connect(2) that say so. */
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
    heard(address, true);
    done(undefined, socket);
  });
}

/** Keeps connections to instances. */
export class InstanceAgent extends http.Agent {
  readonly #connectTimeoutMs: number;
  readonly #heard: OutcomeListener;

  constructor(connectTimeoutMs: number, heard: OutcomeListener) {
    super({ keepAlive: true, timeout: KEEP_ALIVE_MS, scheduling: 'lifo' });
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#heard = heard;
  }

  /** Called by Node; without a socket as its result, it waits for `onCreate`. */
  override createConnection(options: ClientRequestArgs, onCreate?: (error: Error | null, socket: Duplex) => void): undefined {
    const { host, port } = options as { host: string; port: number };
    connectInstance({ host, port }, this.#connectTimeoutMs, this.#heard, (error, socket) => onCreate?.(error ?? null, socket as Socket));
    return undefined;
  }

  /** Called by Node with a connection that nothing is under way on. What comes on it now is no answer to anybody. */
  override keepSocketAlive(socket: Duplex): boolean {
    // Its type says void.
    if (!(super.keepSocketAlive(socket) as unknown as boolean) || socket.readableLength > 0 || saidMore.has(socket)) return false;
    socket.on('data', endOnData);
    return true;
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    socket.removeListener('data', endOnData);
    super.reuseSocket(socket, request);
  }
}

/** Connections on which more was said than the answer. */
const saidMore = new WeakSet<Duplex>();

/** A parser of node:http, and the answer that it has read last. */
type Parser = Record<number, (() => void) | null> & { readonly incoming?: IncomingMessage | null };
/** Where a parser has what is called when a message begins: `HTTPParser.kOnMessageBegin`, Node 20 to 26. Without it, all stays as Node has it. */
const ON_MESSAGE_BEGIN = 0;

/**
 * Notes where a message begins behind the answer to a request. Node drops such a part of one with its parser, and the rest, if that comes once
 * the connection serves the next request, would be taken for the answer to that.
 */
export function noteMoreThanAnswer(request: ClientRequest): void {
  request.once('socket', (socket: Socket & { readonly parser?: Parser | null }) => {
    const { parser } = socket;
    if (parser === undefined || parser === null) return;
    parser[ON_MESSAGE_BEGIN] = () => {
      const { incoming } = parser;
      if (incoming?.complete === true && (incoming.statusCode ?? 0) >= 200) saidMore.add(socket);
    };
  });
}

function endOnData(this: Duplex): void {
  this.destroy();
}

/** How many requests each instance is asked at a time. */
export class InstanceLoad {
  readonly #underWay = new Map<string, number>();

  constructor(readonly limit: number) {}

  /** Counts one more request; false where the instance has as many as it may. */
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

/** An agent for one upgrade, whose connection is there already. */
export function agentOf(socket: Socket): http.Agent {
  const agent = new http.Agent();
  (agent as unknown as { createConnection: () => Socket }).createConnection = () => socket;
  return agent;
}
