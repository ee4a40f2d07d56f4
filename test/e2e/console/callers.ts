/** Instances that report traffic as agents do (`/traffic`, `/decisions`), registered so that the console asks them. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { ADMIN_METADATA_KEY, DURATION_BOUNDS_SECONDS, type TrafficRoute } from '@lane/core/agent';
import type { NacosConnection } from '@lane/nacos-registry';

/** Calls from one service to another with a tag. */
export interface Calls {
  readonly peer: string;
  readonly tag: string | null;
  readonly route: TrafficRoute;
  count: number;
  errors: number;
}

/** An instance of a service; its report can be changed at any time. */
export interface Teller {
  readonly service: string;
  readonly tag: string | null;
  readonly calls: Calls[];
  /** The number of inbound requests, all answered within 40 ms. */
  requests: number;
}

/** Serves the reports of the tellers, each on its own port, and registers them. */
export async function startTellers(connection: NacosConnection, tellers: readonly Teller[]): Promise<() => Promise<void>> {
  const servers = await Promise.all(
    tellers.map(async (teller) => {
      const server = http.createServer((request, response) => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(request.url === '/decisions' ? decisionsOf(teller) : trafficOf(teller)));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      await connection.register(
        { name: teller.service, group: 'DEFAULT_GROUP' },
        { ip: '127.0.0.1', port, metadata: { [ADMIN_METADATA_KEY]: `127.0.0.1:${port}`, ...(teller.tag === null ? {} : { lane: teller.tag }) } },
      );
      return server;
    }),
  );
  return async () => {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve).closeAllConnections())));
  };
}

function trafficOf({ service, tag, calls, requests }: Teller): object {
  const buckets = DURATION_BOUNDS_SECONDS.map((bound) => (bound >= 0.05 ? requests : 0));
  return {
    since: new Date(0).toISOString(),
    service,
    tag,
    inFlight: 0,
    requests: [{ tag, source: 'inbound', count: requests, errors: 0 }],
    durations: [{ tag, count: requests, sumSeconds: requests * 0.04, buckets }],
    calls,
    overflow: { requests: 0, calls: 0 },
  };
}

function decisionsOf({ service, calls }: Teller): object {
  return calls
    .slice(0, 2)
    .map(({ peer, tag, route }) => ({ at: new Date().toISOString(), peer, tag, outcome: route, instance: '127.0.0.1:1', caller: service }));
}

/** `services` services with `calls` calls between them, including rings and calls to themselves; lanes take turns. */
export function mesh(services: number, calls: number, lanes: readonly string[]): Teller[] {
  const nameOf = (index: number): string => `mesh-${String(index % services).padStart(3, '0')}`;
  const tellers = Array.from({ length: services }, (_, i): Teller => ({ service: nameOf(i), tag: null, calls: [], requests: 100 }));
  for (let i = 0; i < calls; i++) {
    const [from, round] = [i % services, Math.floor(i / services)];
    // To the next, back to an earlier one, far ahead, to itself.
    const to = [from * 2 + 1, from + services - 3, from + 17, from][round % 4] as number;
    const tag = round === 0 ? null : (lanes[(from + round) % lanes.length] as string);
    tellers[from]?.calls.push({ peer: nameOf(to), tag, route: tag === null ? 'base' : 'fallback', count: 10 + i, errors: i % 97 === 5 ? 3 : 0 });
  }
  return tellers;
}
