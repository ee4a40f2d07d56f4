/** Peers that answer with what they saw: for each protocol an instance of each lane, and one outside any registry. */
import { join } from 'node:path';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos } from '@lane/nacos-registry';
import { startGrpcPeer } from './peers/grpc.js';
import { startHttp2Peer } from './peers/http2.js';
import { startPeer, type Peer } from '../agent/peer.js';
import { upgradable } from './peers/ws.js';

export type Tag = 'gray' | 'blue' | undefined;
export type Scheme = 'http' | 'https' | 'ws' | 'wss' | 'h2c' | 'h2' | 'grpc';

const LANES = ['base', 'gray', 'blue', 'outside'] as const;

/** The instances of one protocol. */
export interface Targets {
  /** The name of its service. */
  readonly service: string;
  readonly origins: Readonly<Record<(typeof LANES)[number], string>>;
  readonly tls: boolean;
}

export interface Instances {
  readonly of: Readonly<Record<Scheme, Targets>>;
  /** For known-instances.cjs and the agent. */
  readonly environment: Readonly<Record<string, string>>;
  /** For the agent, which must then learn them. */
  readonly unknown: Readonly<Record<string, string>>;
  /** How many connections the instances of an HTTP/2 protocol got. */
  connectionsTo(scheme: 'h2c' | 'h2'): number;
  /** The file of the certificate authority. */
  readonly ca: string;
  close(): Promise<void>;
}

/** Starts all of them. */
export async function startInstances(): Promise<Instances> {
  const start = async <P extends Peer>(make: (name: string) => Promise<P>): Promise<P[]> => Promise.all(LANES.map(make));
  const [http, https, h2c, h2, grpc] = await Promise.all([
    start(async (name) => upgradable(await startPeer(name), name)),
    start(async (name) => upgradable(await startPeer(name, true), name)),
    start(async (name) => startHttp2Peer(name)),
    start(async (name) => startHttp2Peer(name, true)),
    start(startGrpcPeer),
  ]);
  const targets = (service: string, protocol: string, host: string, peers: readonly Peer[]): Targets => ({
    service,
    origins: Object.fromEntries(LANES.map((lane, i) => [lane, `${protocol}://${host}:${(peers[i] as Peer).port}`])) as Targets['origins'],
    tls: protocol === 'https' || protocol === 'wss',
  });
  const of = {
    http: targets('shop-a', 'http', '127.0.0.1', http),
    https: targets('shop-b', 'https', '127.0.0.1', https),
    ws: targets('shop-a', 'ws', '127.0.0.1', http),
    wss: targets('shop-b', 'wss', '127.0.0.1', https),
    h2c: targets('shop-h', 'http', '127.0.0.1', h2c),
    h2: targets('localhost', 'https', '127.0.0.1', h2),
    grpc: targets('shop-g', 'grpc', '127.0.0.1', grpc),
  };
  const known = [
    ['shop-a', http],
    ['shop-b', https],
    ['shop-h', h2c],
    ['shop-h2', h2],
    ['shop-g', grpc],
  ] as const;
  const nacos = await startEmbeddedNacos({ port: 0 });
  const connection = connectNacos({ server: nacos.address });
  for (const [name, peers] of known) {
    for (const [i, lane] of LANES.slice(0, 3).entries()) {
      const metadata: Record<string, string> = lane === 'base' ? {} : { lane };
      await connection.register({ name, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: (peers[i] as Peer).port, metadata });
    }
  }
  // The certificate is also for localhost: a second service behind TLS.
  const LANE_SERVICES = 'shop-a,shop-b,shop-h,localhost=shop-h2,shop-g';
  return {
    of,
    unknown: { LANE_SERVICES, LANE_NACOS_SERVER: nacos.address },
    connectionsTo: (scheme) => (scheme === 'h2' ? h2 : h2c).reduce((sum, peer) => sum + peer.connections, 0),
    environment: {
      KNOWN: JSON.stringify(
        known.map(([name, peers]) => ({
          name,
          instances: LANES.slice(0, 3).map((lane, i) => ({ port: (peers[i] as Peer).port, metadata: lane === 'base' ? {} : { lane } })),
        })),
      ),
      LANE_SERVICES,
    },
    ca: join(__dirname, '../agent/tls/cert.pem'),
    async close() {
      await connection.close();
      await nacos.close();
      await Promise.all([http, https, h2c, h2, grpc].flat().map((peer) => peer.close()));
    },
  };
}
