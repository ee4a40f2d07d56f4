/**
 * Real Nacos servers: the official modules from Maven Central, run by this machine's Java, 17 or later.
 * Limits: the gRPC and raft ports (P + 1000, P + 1001, P - 1000) bind all interfaces, HTTP binds loopback only; there is no console.
 */
import { createServer } from 'node:net';
import { prepare, realNacosAvailability, RealNacosError, type RealNacosVersion } from './nacos-installation.js';
import { NacosProcess, PortTakenError } from './nacos-process.js';

export {
  everyNacosVersion,
  nacos3Version,
  realNacosAvailability,
  realNacosVersions,
  RealNacosError,
  type RealNacosVersion,
} from './nacos-installation.js';

/** Options of a server. */
export interface RealNacosOptions {
  version: RealNacosVersion;
  /** The HTTP port; gRPC takes port + 1000 and + 1001, raft takes port - 1000. Default: a free one. */
  port?: number;
  /** Turns authentication on, with this administrator. */
  auth?: { username: string; password: string };
  /** Gets a line for each step worth telling. */
  log?(line: string): void;
}

/** A running server with its own data folder. */
export interface RealNacos {
  readonly version: RealNacosVersion;
  readonly host: string;
  readonly port: number;
  /** `host:port`, as both SDKs take it. */
  readonly address: string;
  readonly grpc: true;
  /** Process id of the JVM; changes with restart(). */
  readonly pid: number;
  /** Kills the server and removes its data: nothing needs to be kept. */
  stop(): Promise<void>;
  /** Kills the server (SIGKILL), like a crash; restart() starts it again. */
  kill(): Promise<void>;
  /** Shuts the server down if it runs, and starts it again on the same port with the same data. */
  restart(): Promise<void>;
}

const host = '127.0.0.1';
/** A JVM takes 30 s and more to start beside busy test files. */
const startTimeoutMs = 300_000;

/** Starts a server and waits until it serves; downloads it first if necessary. */
export async function startRealNacos(options: RealNacosOptions): Promise<RealNacos> {
  const { version, auth, log = () => {} } = options;
  const { available, reason } = realNacosAvailability();
  if (!available) throw new RealNacosError('ELANE_NACOS_UNAVAILABLE', `Nacos ${version} cannot run here: ${reason}`);
  const installation = await prepare(version, log);

  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await reservePorts());
    const server = new NacosProcess({ version, installation, host, port, auth, startTimeoutMs, log });
    try {
      await server.start();
      await server.reserveKeys();
      return {
        ...{ version, host, port, address: server.address, grpc: true },
        get pid() {
          return server.pid;
        },
        stop: () => server.stop(),
        kill: () => server.kill(),
        restart: () => server.restart(),
      };
    } catch (error) {
      await server.stop();
      // Another process may have taken one of the four ports since the check.
      if (options.port !== undefined || attempt === 5 || !(error instanceof PortTakenError)) throw error;
      log(`Nacos ${version}: ${error.message}; trying other ports`);
    }
  }
}

/** Ports handed out by this process, so that two servers starting concurrently never get the same. */
const handedOut = new Set<number>();

/** A port P such that P + 1000, P + 1001 and P - 1000 are free too; below the range of outbound connections. */
async function reservePorts(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = 21_000 + Math.floor(Math.random() * 10_000);
    const all = [port, port + 1000, port + 1001, port - 1000];
    if (all.some((one) => handedOut.has(one))) continue;
    for (const one of all) handedOut.add(one);
    const free = await Promise.all(all.map((one) => isFree(one)));
    if (free.every(Boolean)) return port;
    for (const one of all) handedOut.delete(one);
  }
  throw new RealNacosError('ELANE_NACOS_PORT', 'no four free ports between 20000 and 32001: end what listens there');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once('error', () => done(false));
    probe.listen({ port, exclusive: true }, () => probe.close(() => done(true)));
  });
}
