/** Peers that answer with what they saw: for each protocol an instance of each lane, and one that no registry knows. */
import { join } from 'node:path';
import { startGrpcPeer } from './peers/grpc.js';
import { startHttp2Peer } from './peers/http2.js';
import { startPeer, type Peer } from '../agent/peer.js';
import { upgradable } from './peers/ws.js';

export type Tag = 'gray' | 'blue' | undefined;
export type Scheme = 'http' | 'https' | 'ws' | 'wss' | 'h2c' | 'h2' | 'grpc';

const LANES = ['base', 'gray', 'blue', 'outside'] as const;

/** The instances of one protocol. */
export interface Targets {
  /** What its service is called. */
  readonly service: string;
  readonly origins: Readonly<Record<(typeof LANES)[number], string>>;
  readonly tls: boolean;
}

export interface Instances {
  readonly of: Readonly<Record<Scheme, Targets>>;
  /** For known-instances.cjs and the agent. */
  readonly environment: Readonly<Record<string, string>>;
  /** The file of the certificate authority. */
  readonly ca: string;
  close(): Promise<void>;
}

/** Starts all of them. */
export async function startInstances(): Promise<Instances> {
  const start = async (make: (name: string) => Promise<Peer>): Promise<Peer[]> => Promise.all(LANES.map(make));
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
  return {
    of,
    environment: {
      KNOWN: JSON.stringify(
        known.map(([name, peers]) => ({
          name,
          instances: LANES.slice(0, 3).map((lane, i) => ({ port: (peers[i] as Peer).port, metadata: lane === 'base' ? {} : { lane } })),
        })),
      ),
      // The certificate is for localhost, too: a second service behind TLS.
      LANE_SERVICES: 'shop-a,shop-b,shop-h,localhost=shop-h2,shop-g',
    },
    ca: join(__dirname, '../agent/tls/cert.pem'),
    async close() {
      await Promise.all([http, https, h2c, h2, grpc].flat().map((peer) => peer.close()));
    },
  };
}
