/** The Nacos behind the rig: an embedded one, a real one, or a real cluster of three. The rig can kill and restart each. */
import { join } from 'node:path';
import { ManagedProcess } from '@lane/cli';
import { freePort } from '@lane/testing/ports';
import { startRealNacos } from '../servers/real-nacos.js';
import { startNacosCluster, type NacosMember } from '../servers/real-nacos-cluster.js';

/** The kind of Nacos behind the rig. */
export type NacosKind = 'embedded' | '2.2.4' | 'cluster';

/** User and password, if Nacos requires them. */
export const CREDENTIALS = { username: 'chaos', password: 'chaos-of-the-tests' };

/** A Nacos as the rig sees it. */
export interface NacosBehind {
  /** `host:port` of each server; a wipe changes it. */
  readonly addresses: readonly string[];
  /** The address where servers reach clients. */
  readonly clientHost: string;
  /** The members of a cluster; otherwise empty. */
  readonly members: readonly NacosMember[];
  /** Whether it requires a password. */
  readonly hasAuth: boolean;
  /** Kills all servers, like a crash. */
  kill(): Promise<void>;
  /** Starts it again, with its documents or with nothing. */
  start(documents: 'kept' | 'wiped'): Promise<void>;
  /** Its current processes. */
  readonly pids: readonly number[];
  signal(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** A configuration document. */
export interface NacosDocument {
  readonly dataId: string;
  readonly group: string;
  readonly content: string;
}

/** Starts one with these documents. */
export async function startBehind(kind: NacosKind, documents: readonly NacosDocument[], hasAuth: boolean): Promise<NacosBehind> {
  const log = (line: string): void => console.error(`  ${line}`);
  if (kind === 'embedded') return startEmbedded(documents, hasAuth);
  const behind = kind === '2.2.4' ? await startReal(hasAuth, log) : await startCluster(log);
  for (const document of documents) await publish(behind, document);
  return behind;
}

/** Publishes a document at the first server that accepts it. */
export async function publish({ addresses, hasAuth }: NacosBehind, document: NacosDocument): Promise<void> {
  const body = new URLSearchParams({ ...document, ...(hasAuth ? CREDENTIALS : {}) });
  let said = '';
  for (const address of addresses) {
    try {
      const answer = await fetch(`http://${address}/nacos/v1/cs/configs`, { method: 'POST', body, signal: AbortSignal.timeout(10_000) });
      said = await answer.text();
      if (answer.ok) return;
    } catch (error) {
      said = String(error);
    }
  }
  throw new Error(`no server accepted the document ${document.dataId}: ${said}`);
}

async function startEmbedded(documents: readonly NacosDocument[], hasAuth: boolean): Promise<NacosBehind> {
  // Nobody may take its ports, the second for gRPC, while it restarts.
  const port = await freePort(1_000);
  const start = async (withDocuments: boolean): Promise<ManagedProcess> => {
    const server = new ManagedProcess({
      name: 'nacos',
      script: join(__dirname, 'apps/nacos.cjs'),
      env: {
        PORT: String(port),
        DOCUMENTS: JSON.stringify(withDocuments ? documents : []),
        ...(hasAuth ? { AUTH: JSON.stringify(CREDENTIALS) } : {}),
      },
    });
    await server.message();
    return server;
  };
  let server = await start(true);
  return {
    addresses: [`127.0.0.1:${port}`],
    clientHost: '127.0.0.1',
    members: [],
    hasAuth,
    kill: () => server.kill(),
    async start(kept) {
      server = await start(kept === 'kept');
    },
    get pids() {
      return [server.pid];
    },
    signal: (signal) => void process.kill(server.pid, signal),
    stop: () => server.kill(),
  };
}

async function startReal(hasAuth: boolean, log: (line: string) => void): Promise<NacosBehind> {
  const options = { version: '2.2.4', log, ...(hasAuth ? { auth: CREDENTIALS } : {}) } as const;
  let server = await startRealNacos(options);
  return {
    get addresses() {
      return [server.address];
    },
    clientHost: '127.0.0.1',
    members: [],
    hasAuth,
    kill: () => server.kill(),
    async start(documents) {
      if (documents === 'kept') return server.restart();
      await server.stop();
      server = await startRealNacos(options);
    },
    get pids() {
      return [server.pid];
    },
    signal: (signal) => void process.kill(server.pid, signal),
    stop: () => server.stop(),
  };
}

async function startCluster(log: (line: string) => void): Promise<NacosBehind> {
  const cluster = await startNacosCluster({ log });
  return {
    addresses: cluster.members.map(({ address }) => address),
    clientHost: cluster.host,
    members: cluster.members,
    hasAuth: false,
    kill: async () => void (await Promise.all(cluster.members.map((member) => member.kill()))),
    async start(documents) {
      if (documents === 'wiped') throw new Error('a cluster that lost all data is the same as a new one: this fault needs a single server');
      await Promise.all(cluster.members.map((member) => member.restart()));
    },
    get pids() {
      return cluster.members.map(({ pid }) => pid);
    },
    signal: (signal) => cluster.members.forEach((member) => member.signal(signal)),
    stop: () => cluster.stop(),
  };
}
