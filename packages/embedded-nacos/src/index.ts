/**
 * A Nacos in this process, for demos, development and tests: the HTTP API v1 with UDP push and long polling, for the npm
 * package `nacos`, and gRPC, for `nacos-sdk-rust-binding-node` and Java clients. It starts in milliseconds, keeps everything in memory, and
 * passes the same contract suite as real Nacos servers. It has no cluster mode.
 */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createApi } from './http-api.js';
import { isLoopback } from './browser-guard.js';
import { ConfigStore } from './config-store.js';
import { NamingStore } from './naming-store.js';
import type { GrpcServer, GrpcServerOptions } from './grpc/grpc-server.js';
import { UdpPush } from './udp-push.js';

/** Options of {@link startEmbeddedNacos}. */
export interface EmbeddedNacosOptions {
  /** Default 8848; 0: any free one. */
  readonly port?: number;
  /** For gRPC. Default: `port` + 1000, where clients expect it; if that is in use, there is no gRPC, and `log` is told. false: no gRPC. */
  readonly grpcPort?: number | false;
  /** Default 127.0.0.1. Any other address causes a warning: whoever reaches it can change everything. */
  readonly host?: string;
  /** Names by which clients may call it, besides addresses, names without a dot, and private ones such as `*.local`. */
  readonly allowedHosts?: readonly string[];
  /** Initial documents, in the namespace `public`. */
  readonly documents?: ReadonlyArray<{ readonly dataId: string; readonly group: string; readonly content: string }>;
  /** Requires this user and password. Default: no authentication. */
  readonly auth?: { readonly username: string; readonly password: string };
  /** Longest time that a client may wait for a config change, in milliseconds. Default: as the client asks. */
  readonly longPollTimeoutMs?: number;
  /** Interval of checks for missed beats, in milliseconds. Default 1000. */
  readonly beatCheckIntervalMs?: number;
  /** Gets internal failures of requests, and the warning if it listens beyond this machine. Default: only the latter, as a process warning. */
  readonly log?: (line: string) => void;
}

/** A running embedded Nacos. */
export interface EmbeddedNacos {
  readonly host: string;
  readonly port: number;
  /** undefined: there is no gRPC. */
  readonly grpcPort: number | undefined;
  /** `host:port`. */
  readonly address: string;
  /** Stops it: answers waiting clients, closes connections, frees the port. */
  close(): Promise<void>;
}

/** Starts one. Rejects with code `ELANE_PORT_IN_USE` if the port is taken. */
export async function startEmbeddedNacos(options: EmbeddedNacosOptions = {}): Promise<EmbeddedNacos> {
  const {
    port = 8848,
    grpcPort,
    host = '127.0.0.1',
    auth,
    longPollTimeoutMs,
    beatCheckIntervalMs = 1000,
    allowedHosts = [],
    documents = [],
    log,
  } = options;
  let grpc: GrpcServer | undefined;
  const naming = new NamingStore(
    (id) => {
      push.changed(id);
      grpc?.serviceChanged(id);
    },
    () => performance.now(),
  );
  const configs = new ConfigStore((key) => {
    api.configChanged(key);
    grpc?.configChanged(key);
  });
  const server = createServer();
  // Clients keep connections open between their beats, which come every 5 s.
  server.keepAliveTimeout = 30_000;
  server.on('clientError', (_error, socket) => socket.destroy());
  // A request that arrives before the push port is open may ask for pushes, so it waits.
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  server.on('request', (request, response) => void opened.then(() => api.handle(request, response)));
  await listen(server, port, host);

  const push = await UdpPush.open(host, (id, clusters) => api.listOf(id, clusters)).catch((error: unknown) => {
    server.close();
    throw error;
  });
  const api = createApi({
    ...{ naming, configs, push, auth, longPollTimeoutMs },
    listeners: (key) => grpc?.listeners(key) ?? {},
    allowedHosts: [host, ...allowedHosts],
    log: log ?? (() => {}),
  });
  for (const { content, ...key } of documents) {
    configs.publish({ tenant: '', ...key }, content, { type: 'text', appName: '', casMd5: undefined, srcIp: '', srcUser: '' });
  }
  try {
    for (let attempt = 1; ; attempt++) {
      grpc = await openGrpc(grpcPort, (server.address() as AddressInfo).port, host, { ...api.resources, log: log ?? (() => {}) });
      if (grpc !== undefined || grpcPort !== undefined || port !== 0 || attempt === MAX_ATTEMPTS) break;
      // Any port will do: try another, whose gRPC port may be free.
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await listen(server, port, host);
    }
    const missing = (server.address() as AddressInfo).port + GRPC_PORT_OFFSET;
    if (grpc === undefined && grpcPort === undefined && missing <= MAX_PORT)
      log?.(`port ${missing} of ${host}, where clients look for gRPC, is in use: the embedded Nacos speaks HTTP only`);
  } catch (error) {
    server.close();
    push.close();
    throw error;
  }
  open();
  const address = server.address() as AddressInfo;
  if (!isLoopback(host)) {
    const line = `the embedded Nacos listens on ${host}, not on this machine alone: who reaches it ${auth === undefined ? 'may change everything in it, as it asks nobody for a password' : 'and knows the password may change everything in it'}; leave out the host to keep it on 127.0.0.1`;
    if (log === undefined) process.emitWarning(line, { code: 'ELANE_NACOS_EXPOSED' });
    else log(line);
  }
  const checking = setInterval(() => {
    naming.expire();
    grpc?.expire();
  }, beatCheckIntervalMs);
  checking.unref();

  const shown = host.includes(':') ? `[${host}]` : host;
  let closing: Promise<void> | undefined;
  return {
    host,
    port: address.port,
    grpcPort: grpc?.port,
    address: `${shown}:${address.port}`,
    close: () =>
      (closing ??= new Promise((resolve) => {
        clearInterval(checking);
        api.close();
        push.close();
        const grpcClosed = grpc?.close();
        server.close(() => resolve(grpcClosed));
        server.closeAllConnections();
      })),
  };
}

/** Nacos serves gRPC this far above its HTTP port. */
const GRPC_PORT_OFFSET = 1_000;
const MAX_PORT = 65_535;
const MAX_ATTEMPTS = 20;

async function openGrpc(asked: number | false | undefined, port: number, host: string, options: GrpcServerOptions): Promise<GrpcServer | undefined> {
  if (asked === false) return undefined;
  const grpcPort = asked ?? port + GRPC_PORT_OFFSET;
  if (grpcPort > MAX_PORT) return undefined;
  // Loaded lazily: not needed without gRPC.
  const { GrpcServer } = require('./grpc/grpc-server.js') as typeof import('./grpc/grpc-server.js');
  try {
    return await GrpcServer.listen(grpcPort, host, options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    if (asked !== undefined) throw portInUse(grpcPort, host);
    return undefined;
  }
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw portInUse(port, host);
  }
}

function portInUse(port: number, host: string): Error {
  return Object.assign(new Error(`port ${port} of ${host} is in use: stop what listens there, or choose another port (0 takes a free one)`), {
    code: 'ELANE_PORT_IN_USE',
  });
}
