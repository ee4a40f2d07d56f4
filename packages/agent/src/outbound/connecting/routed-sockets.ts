/**
 * Sockets to instances, whoever creates them. If the agent chose the destination, or a request goes to an address that the app chose, this file
 * tries further instances within the app's socket, which stays connecting meanwhile: its time limits, `destroy` and
 * writes work as usual. For all other sockets to known instances, it notes whether they connect.
 *
 * A socket is reopened as Node does for hosts with several addresses (`kReinitializeHandle`, Node 20 to 26; lib/net.js,
 * internalConnectMultiple). If Node no longer has that, sockets fail as they would without us.
 */
import type dns from 'node:dns';
import net from 'node:net';
import type { LaneUnavailableError, Tag } from '@lane/core/model';
import { safely } from '../../patching/safely.js';
import { symbolNamed } from '../../patching/symbol-named.js';
import { beforeSocketConnects, type SocketOptions, type TakesOver } from '../../patching/socket-hook.js';
import { wrap } from '../../patching/wrap.js';
import { offersHttp2, sessionOn } from '../http2/sessions.js';
import { noteReached } from './reached.js';
import { isOfUndici, serveOneRequest } from './undici-sockets.js';
import { Attempt, type Connecting } from './connecting.js';

/** On the options of a connection whose destination the agent chooses. */
export const ROUTE: unique symbol = Symbol('lane.route');

/** The destination of a connection: chosen, or to be known later. */
export type Route = Attempt | Learning;

/** A destination that is not known yet: the service is being learnt. */
export class Learning {
  constructor(
    /** The address in the options; a socket to somewhere else, such as a proxy, is not ours. */
    readonly host: string,
    readonly port: number,
    readonly tag: Tag | undefined,
    /** Settles when the service is known, or can't be. */
    readonly until: Promise<void>,
    /** Called after that: returns where the connection goes; undefined: to the address in the options. */
    readonly settle: () => Attempt | LaneUnavailableError | undefined,
  ) {}
}

/** Options of `connect`, with the route if there is one. */
export type RoutedOptions = SocketOptions & { [ROUTE]?: Route };
type Connect = (options?: object) => void;

/** The route of the next socket, if nobody can put it on the options. */
let lent: Route | undefined;

/** The socket that `make` connects synchronously takes this route. */
export function lendRoute<T>(route: Route | undefined, make: () => T): T {
  lent = route;
  try {
    return make();
  } finally {
    lent = undefined;
  }
}

/** From now on, routed sockets connect by their routes. */
export function connectRoutedSockets(connecting: Connecting): void {
  watchDestroyed();
  beforeSocketConnects((socket, options: RoutedOptions | undefined) => {
    if (options === undefined || typeof options.host !== 'string') return undefined;
    if (lent !== undefined) {
      // Others who look at the options must see it, too.
      options[ROUTE] = lent;
      lent = undefined;
    }
    const found = options[ROUTE];
    const route = found instanceof Attempt ? found.take() : found;
    if (route !== undefined && leadsTo(route, options)) return takeOver(connecting, route, socket, options);
    return watchChosen(connecting, socket, options);
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
 * Until its service is known, the socket looks like one whose host is being resolved, to Node and to everybody else: it has a handle, which http2
 * requires, and invalid options throw at once.
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
  // Node has taken it. The next connection resolves no name, or another one.
  options.lookup = lookup;
}

/** `first` connects to the current instance, `again` to another one. `isNamed`: its pool knows it by the name, not by an address. */
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
      connecting.refused(attempt.service, attempt.instance, error);
      const isTried = connectToNext(attempt, socket, options, again);
      isElsewhere ||= isTried;
      return isTried;
    },
    () => {
      noteReached(socket, attempt.instance);
      connecting.answered(attempt.service, attempt.instance);
      if (isElsewhere) retire(socket, false);
    },
  );
  first();
}

/** Whether the socket connects to the next instance now. */
function connectToNext(attempt: Attempt, socket: net.Socket, options: SocketOptions, again: Connect): boolean {
  const { ip, port } = attempt.instance;
  const next = attempt.next();
  if (next === undefined || !reopen(socket)) return false;
  // A certificate for an address must match the peer's; Node checks it against the stored options.
  const tls = symbolNamed(socket, 'connect-options') as SocketOptions | undefined;
  if (tls !== undefined && tls.host === ip && Number(tls.port) === port && !attempt.byName) tls.host = next.ip;
  again({ ...options, host: next.ip, port: next.port });
  return true;
}

/**
 * A socket to an instance whose address the app chose. If it refuses, a request goes to the next instance; a raw socket, which may
 * test whether somebody listens, gets the error. Either way, the agent remembers the result.
 */
function watchChosen(connecting: Connecting, socket: net.Socket, options: SocketOptions): TakesOver | undefined {
  const host = options.host as string;
  const port = Number(options.port);
  const service = connecting.serviceAt(host, port);
  if (service === undefined) return undefined;
  const isUndicis = isOfUndici(host, port);
  // Over HTTP/2 it would lead there for all later requests.
  const canMove = isUndicis && !offersHttp2(options);
  return (connect) => {
    let attempt: Attempt | undefined;
    watchOutcome(
      socket,
      (error) => {
        // Channels and sessions reconnect to their instance by themselves.
        const isKept = attempt === undefined && (isUndicis || requestOn(socket) !== undefined);
        connecting.refused(service, attempt?.instance ?? { ip: host, port }, error, isKept);
        if (attempt === undefined && (isUndicis ? canMove : isOfRequest(connecting, socket))) attempt = connecting.beginAt(host, port);
        return attempt !== undefined && connectToNext(attempt, socket, options, connect);
      },
      () => {
        const address = attempt?.instance ?? { ip: host, port };
        noteReached(socket, address);
        connecting.answered(service, address);
        if (attempt !== undefined) retire(socket, isUndicis);
      },
    );
    connect();
  };
}

/** Whether a request of node:http or https, or a session of node:http2, waits for the socket. */
function isOfRequest({ movesSessions }: Connecting, socket: net.Socket): boolean {
  return requestOn(socket) !== undefined || (movesSessions && sessionOn(socket) !== undefined);
}

/** The node:http request that a socket serves. */
function requestOn(socket: net.Socket): { shouldKeepAlive: boolean } | undefined {
  return (socket as { _httpMessage?: { shouldKeepAlive: boolean } | null })._httpMessage ?? undefined;
}

/** By socket that is connecting: called as it is about to be destroyed; returns whether it is connecting again instead. */
const watched = new WeakMap<net.Socket, (error: unknown) => boolean>();

/**
 * Lets {@link watchOutcome} see sockets that are destroyed. A method put on each socket and taken off again would leave it without a hidden class
 * (V8's dictionary mode): each access to it then costs several times as much for as long as it lives.
 */
function watchDestroyed(): void {
  wrap(net.Socket.prototype, 'destroy', (original) => {
    return function destroy(this: net.Socket, error?: unknown): unknown {
      if (watched.get(this)?.(error) === true) return this;
      return Reflect.apply(original, this, arguments);
    };
  });
}

/** `refused` returns whether the socket is connecting again; if not, it ends with the error. */
function watchOutcome(socket: net.Socket, refused: (error: Error) => boolean, connected: () => void): void {
  const end = (): void => {
    watched.delete(socket);
    socket.removeListener('connect', arrived);
  };
  const arrived = (): void => {
    end();
    tellConnected(connected);
  };
  watched.set(socket, (error) => {
    if (isRefusal(error) && tell(refused, error) === true) return true;
    end();
    return false;
  });
  socket.prependListener('connect', arrived);
}

const tell = safely('socket refused', (refused: (error: Error) => boolean, error: Error) => refused(error));
const tellConnected = safely('socket connected', (connected: () => void) => connected());

/** Nobody listens there, or there is no route (connect(2)). */
const REFUSALS: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ECONNRESET']);

/** Whether an error means that no connection was made, so that nothing was sent. */
export function isRefusal(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const { code, syscall } = error as NodeJS.ErrnoException;
  // For a host name with several addresses, the first error stands for all.
  return REFUSALS.has(code) && (syscall === 'connect' || error instanceof AggregateError);
}

type Handle = object & {
  readonly constructor: new (type: number) => Handle;
  readonly _parent?: Handle;
  hasRef?(): boolean;
  unref?(): void;
};

/** The symbol with that description among the methods of sockets. */
const REINITIALIZE = Object.getOwnPropertySymbols(net.Socket.prototype).find(({ description }) => description === 'kReinitializeHandle');

/** Gives a socket whose connect has failed a new handle; false: this Node does not do that. */
function reopen(socket: net.Socket): boolean {
  const { _handle: handle } = socket as { _handle?: Handle | null };
  if (REINITIALIZE === undefined || handle === undefined || handle === null) return false;
  // For TLS, the socket beneath.
  const failed = handle._parent ?? handle;
  const owner = Object.getOwnPropertySymbols(failed).find(({ description }) => description === 'owner_symbol');
  const reinitialize = (socket as unknown as Record<symbol, unknown>)[REINITIALIZE];
  if (owner === undefined || typeof reinitialize !== 'function') return false;
  // 0: a socket, not a server (TCPConstants.SOCKET).
  const fresh = new failed.constructor(0);
  Object.assign(fresh, { [owner]: socket });
  // An unref of the socket applied to its first handle only.
  if (failed.hasRef?.() === false) fresh.unref?.();
  Reflect.apply(reinitialize, socket, [fresh]);
  return true;
}

/** A connection that leads elsewhere than its owner believes serves one request, and nothing else. */
function retire(socket: net.Socket, isUndicis: boolean): void {
  if (isUndicis) serveOneRequest(socket);
  const request = requestOn(socket);
  if (request !== undefined) request.shouldKeepAlive = false;
}
