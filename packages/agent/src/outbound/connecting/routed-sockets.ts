/**
 * Sockets to instances, whoever makes them: those of node:http and https, node:http2 and raw ones by name are tried on further instances here,
 * in the socket that the app has, which is connecting meanwhile: its time limits, `destroy` and what is written to it hold as ever. Of all
 * others to known instances it is noted whether they connect.
 *
 * A socket is opened again as Node does it for hosts of several addresses (`kReinitializeHandle`, Node 20 to 26; lib/net.js,
 * internalConnectMultiple). Where Node has that no more, sockets fail as they would without us.
 */
import type dns from 'node:dns';
import net from 'node:net';
import type { LaneUnavailableError, Tag } from '@lane/core/model';
import { safely } from '../../patching/safely.js';
import { symbolNamed } from '../../patching/symbol-named.js';
import { beforeSocketConnects, type SocketOptions, type TakesOver } from '../../patching/socket-hook.js';
import { wrap } from '../../patching/wrap.js';
import { Attempt, type Connecting } from './connecting.js';

/** On the options of a connection whose destination the agent chooses. */
export const ROUTE: unique symbol = Symbol('lane.route');

/** The destination of a connection: chosen, or known later. */
export type Route = Attempt | Learning;

/** A destination that is not known yet: the service is being learnt. */
export class Learning {
  constructor(
    /** What the options say; a socket to somewhere else, as to a proxy, is none of ours. */
    readonly host: string,
    readonly port: number,
    readonly tag: Tag | undefined,
    /** Settles when the service is known, or can't be. */
    readonly until: Promise<void>,
    /** Called after that: where the connection goes; undefined: where the options say. */
    readonly settle: () => Attempt | LaneUnavailableError | undefined,
  ) {}
}

/** Options of `connect`, with the route where there is one. */
export type RoutedOptions = SocketOptions & { [ROUTE]?: Route };
type Connect = (options?: object) => void;

/** From now on routed sockets are connected by their routes. */
export function connectRoutedSockets(connecting: Connecting): void {
  beforeSocketConnects((socket, options: RoutedOptions | undefined) => {
    if (options === undefined || typeof options.host !== 'string') return undefined;
    const found = options[ROUTE];
    const route = found instanceof Attempt ? found.take() : found;
    if (route !== undefined && leadsTo(route, options)) return takeOver(connecting, route, socket, options);
    return noteOutcome(connecting, socket, options.host, Number(options.port));
  });
}

function leadsTo(route: Route, { host, port }: SocketOptions): boolean {
  if (route instanceof Learning) return route.host === host && route.port === Number(port);
  return route.instance.ip === host && route.instance.port === Number(port);
}

/** Connects a socket by its route. */
export function takeOver(connecting: Connecting, route: Route, socket: net.Socket, options: SocketOptions): TakesOver {
  return (connect) => (route instanceof Learning ? waitAndConnect : connectSomewhere)(connecting, route as never, socket, options, connect);
}

type Lookup = (host: string, options: object, done: (error: Error | null, ...addresses: unknown[]) => void) => void;

/**
 * Until its service is known the socket is one whose host is being looked up, to Node and to everybody who asks: it has a handle, which http2
 * wants to see, and what is wrong with its options is thrown at once.
 */
function waitAndConnect(
  connecting: Connecting,
  learning: Learning,
  socket: net.Socket,
  options: SocketOptions & { lookup?: unknown },
  connect: Connect,
): void {
  const { lookup } = options;
  if (lookup === undefined || typeof lookup === 'function') {
    const lookupLane: Lookup = (host, lookupOptions, done) => {
      const go = (): void => {
        if (socket.destroyed) return;
        try {
          const found = learning.settle();
          if (found === undefined) ((lookup ?? (require('node:dns') as typeof dns).lookup) as Lookup)(host, lookupOptions, done);
          else if (found instanceof Attempt) {
            const { ip, port } = found.instance;
            connectSomewhere(connecting, found, socket, options, () => connect({ ...options, host: ip, port }), connect, true);
          } else done(found);
        } catch (error) {
          // What the caller would have caught has nobody left to catch it.
          socket.destroy(error as Error);
        }
      };
      void learning.until.then(go, go);
    };
    options.lookup = lookupLane;
  }
  connect();
  // Node has taken it. Whoever connects next has no name to look up, or looks up another.
  options.lookup = lookup;
}

/** `first` connects to the instance at hand, `again` to another one. `isNamed`: its pool knows it by the name, not by an address. */
function connectSomewhere(
  connecting: Connecting,
  attempt: Attempt,
  socket: net.Socket,
  options: SocketOptions,
  first: Connect,
  again: Connect = first,
  isNamed = false,
): void {
  let isElsewhere = isNamed;
  watchOutcome(
    socket,
    (error) => {
      const { ip, port } = attempt.instance;
      connecting.refused(attempt.service, attempt.instance, error);
      const next = attempt.next();
      if (next === undefined || !reopen(socket)) return false;
      isElsewhere = true;
      // A certificate for an address is for that of the peer; Node has kept the options for that.
      const tls = symbolNamed(socket, 'connect-options') as SocketOptions | undefined;
      if (tls !== undefined && tls.host === ip && Number(tls.port) === port && !attempt.byName) tls.host = next.ip;
      again({ ...options, host: next.ip, port: next.port });
      return true;
    },
    () => {
      connecting.answered(attempt.service, attempt.instance);
      if (isElsewhere) retire(socket);
    },
  );
  first();
}

/** The call is the app's own affair; what is learnt of the instance is not. */
function noteOutcome(connecting: Connecting, socket: net.Socket, host: string, port: number): undefined {
  const service = connecting.serviceAt(host, port);
  if (service === undefined) return undefined;
  const address = { ip: host, port };
  watchOutcome(
    socket,
    (error) => {
      connecting.refused(service, address, error);
      return false;
    },
    () => connecting.answered(service, address),
  );
  return undefined;
}

/** `refused` gives whether the socket is connecting again; if not, it ends with the error. */
function watchOutcome(socket: net.Socket, refused: (error: Error) => boolean, connected: () => void): void {
  const undo = wrap(socket, 'destroy', (destroy) => {
    return function destroyed(this: net.Socket, ...args: unknown[]): unknown {
      const [error] = args;
      if (isRefusal(error) && tell(refused, error) === true) return this;
      end();
      return Reflect.apply(destroy, this, args);
    };
  });
  const end = (): void => {
    undo?.();
    socket.removeListener('connect', arrived);
  };
  const arrived = (): void => {
    end();
    connected();
  };
  socket.prependListener('connect', arrived);
}

const tell = safely('socket refused', (refused: (error: Error) => boolean, error: Error) => refused(error));

/** Nobody listens there, or no way leads there (connect(2)). */
const REFUSALS: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ECONNRESET']);

/** Whether an error says that no connection came about, so that nothing can have been sent. */
export function isRefusal(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const { code, syscall } = error as NodeJS.ErrnoException;
  // Of a host name with several addresses, the first error stands for all.
  return REFUSALS.has(code) && (syscall === 'connect' || error instanceof AggregateError);
}

type Handle = object & {
  readonly constructor: new (type: number) => Handle;
  readonly _parent?: Handle;
  hasRef?(): boolean;
  unref?(): void;
};

/** The symbol of that description among the methods of sockets. */
const REINITIALIZE = Object.getOwnPropertySymbols(net.Socket.prototype).find(({ description }) => description === 'kReinitializeHandle');

/** Gives a socket whose connect has failed a new handle; false: this Node does not do that. */
function reopen(socket: net.Socket): boolean {
  const { _handle: handle } = socket as { _handle?: Handle | null };
  if (REINITIALIZE === undefined || handle === undefined || handle === null) return false;
  // Of TLS, that beneath.
  const failed = handle._parent ?? handle;
  const owner = Object.getOwnPropertySymbols(failed).find(({ description }) => description === 'owner_symbol');
  const reinitialize = (socket as unknown as Record<symbol, unknown>)[REINITIALIZE];
  if (owner === undefined || typeof reinitialize !== 'function') return false;
  // 0: a socket, not a server (TCPConstants.SOCKET).
  const fresh = new failed.constructor(0);
  Object.assign(fresh, { [owner]: socket });
  // Who let go of the socket did not mean its first handle.
  if (failed.hasRef?.() === false) fresh.unref?.();
  Reflect.apply(reinitialize, socket, [fresh]);
  return true;
}

/** A connection that leads elsewhere than its pool believes serves the request that it was made for, and no other. */
function retire(socket: net.Socket): void {
  const request = (socket as { _httpMessage?: { shouldKeepAlive: boolean } | null })._httpMessage;
  if (request !== undefined && request !== null) request.shouldKeepAlive = false;
}
