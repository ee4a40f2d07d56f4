/**
 * The Nacos servers that a suite runs against: the embedded one, real ones of both versions, and the user's own (NACOS_SERVER_ADDR,
 * with NACOS_SERVER_USERNAME and NACOS_SERVER_PASSWORD if it requires them).
 * A real server that cannot run is skipped, and a line says why; with CI set that is a failure.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { EmbeddedNacosOptions } from '@lane/embedded-nacos';
import { freePort } from '@lane/testing/ports';
import { expect, inject, test } from 'vitest';
import type {} from './global-setup.js';
import { nacos3Version, type RealNacosVersion, realNacosAvailability, realNacosVersions, startRealNacos } from './real-nacos.js';

/** A server in use. Others may use it too: use only your own namespaces. */
export interface RunningNacos {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** `host:port`, as both SDKs take it. */
  readonly address: string;
  /** Whether port + 1000 speaks gRPC. */
  readonly grpc: boolean;
  /** The credentials, if it requires any. */
  readonly credentials?: Credentials;
  /** Releases it; a shared server keeps running until the run ends. */
  stop(): Promise<void>;
}

/** A server that nobody else uses. */
export interface OwnNacos extends RunningNacos {
  /** Stops it and starts it again on the same port. Configs survive on real servers only. */
  restart(): Promise<void>;
}

export interface Credentials {
  username: string;
  password: string;
}

export interface NacosServer {
  readonly name: string;
  readonly kind: 'embedded' | 'real' | 'given';
  readonly grpc: boolean;
  start(): Promise<RunningNacos>;
  /** Absent for the user's own server, which we must not restart. With `auth` it accepts only requests of that user. */
  startOwn?(options?: { auth?: Credentials }): Promise<OwnNacos>;
}

/** Every server that this machine can run. */
export function nacosServers(): NacosServer[] {
  const servers = [embedded];
  if (realNacosAvailability().available) servers.push(...realNacosVersions.map(real));
  const address = process.env['NACOS_SERVER_ADDR'];
  if (address !== undefined && address !== '') servers.push(given(address));
  return servers;
}

/** Nacos 3, for gRPC clients without log-in; undefined if real servers cannot run. */
export function nacos3(): NacosServer | undefined {
  return realNacosAvailability().available ? real(nacos3Version) : undefined;
}

/** Adds a test that names the skipped servers and the reason: skipped too, but failed with CI set. Adds nothing if all can run. */
export function tellLeftOutServers(): void {
  const { available, reason } = realNacosAvailability();
  if (available) return;
  const name = `real Nacos ${realNacosVersions.join(' and ')} skipped: ${reason}`;
  const mustRun = process.env['CI'] !== undefined && process.env['CI'] !== '' && process.env['CI'] !== 'false';
  test.skipIf(!mustRun)(name, () => {
    expect.unreachable(`${name}. With CI set, every server has to be there`);
  });
}

const embedded: NacosServer = {
  name: 'embedded Nacos',
  kind: 'embedded',
  grpc: true,
  start: () => startEmbedded(),
  // Nobody may take its ports, the second for gRPC, while it restarts.
  startOwn: async (options) => startEmbedded({ port: await freePort(1_000), ...options }),
};

async function startEmbedded(options: { port?: number; auth?: Credentials } = {}): Promise<OwnNacos> {
  const host = '127.0.0.1';
  let { child, port } = await forkEmbedded({ port: 0, ...options });
  return {
    name: embedded.name,
    host,
    port,
    address: `${host}:${port}`,
    grpc: true,
    ...(options.auth && { credentials: options.auth }),
    stop: () => endOf(child),
    async restart() {
      await endOf(child);
      ({ child, port } = await forkEmbedded({ ...options, port }));
    },
  };
}

async function forkEmbedded(options: EmbeddedNacosOptions): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(join(__dirname, 'embedded-nacos.cjs'), [JSON.stringify(options)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the embedded Nacos ended during its start')));
  const [{ port }] = (await Promise.race([once(child, 'message'), ended])) as [{ port: number }];
  ended.catch(() => {});
  return { child, port };
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

function real(version: RealNacosVersion): NacosServer {
  const name = `Nacos ${version}`;
  return {
    name,
    kind: 'real',
    grpc: true,
    async start() {
      const url = inject('realNacosUrl');
      if (url === undefined) {
        throw new Error(`${name}: no shared server; add test/servers/global-setup.ts to globalSetup in the vitest config`);
      }
      // Not fetch, which waits five minutes for an answer: the first one comes once Nacos has been fetched.
      const [response] = (await once(request(`${url}/${version}`, { method: 'POST' }).end(), 'response')) as [IncomingMessage];
      const body = await text(response);
      if (response.statusCode !== 200) throw new Error(body);
      const { host, port, address } = JSON.parse(body) as Pick<RunningNacos, 'host' | 'port' | 'address'>;
      return { name, host, port, address, grpc: true, stop: async () => {} };
    },
    async startOwn(options = {}) {
      const server = await startRealNacos({ version, ...options });
      const { host, port, address } = server;
      return {
        ...{ name, host, port, address, grpc: true },
        ...(options.auth && { credentials: options.auth }),
        stop: () => server.stop(),
        restart: () => server.restart(),
      };
    },
  };
}

function given(address: string): NacosServer {
  const [host = '', port = '8848'] = address.split(':');
  const { NACOS_SERVER_USERNAME: username, NACOS_SERVER_PASSWORD: password } = process.env;
  const running: RunningNacos = {
    name: `Nacos at ${address} (NACOS_SERVER_ADDR)`,
    host,
    port: Number(port),
    address: `${host}:${port}`,
    grpc: true,
    ...(username !== undefined && password !== undefined && { credentials: { username, password } }),
    stop: async () => {},
  };
  return { name: running.name, kind: 'given', grpc: true, start: async () => running };
}
