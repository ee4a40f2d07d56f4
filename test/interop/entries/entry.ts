/** Shared by the tests of entry gateways: instances that report what they get, and the scenario's lane group. */
import { once } from 'node:events';
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Instance } from '@lane/core/model';
import type { LaneGroupsDocument } from '@lane/core/rules';
import type { ExportSource } from '@lane/gateway';

/** What an instance received. */
export interface Got {
  readonly name: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** Instances of spring-cloud-a: base, and some lanes. */
export interface Instances {
  readonly instances: readonly Instance[];
  stop(): Promise<void>;
}

export async function startInstances(tags: readonly string[]): Promise<Instances> {
  const servers: http.Server[] = [];
  const instances: Instance[] = [];
  for (const tag of [undefined, ...tags]) {
    const server = http.createServer((request, response) => {
      const got: Got = { name: tag ?? 'base', url: request.url ?? '', headers: request.headers };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(got));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    servers.push(server);
    const { port } = server.address() as AddressInfo;
    instances.push({ ip: '127.0.0.1', port, weight: 1, healthy: true, enabled: true, metadata: tag === undefined ? {} : { lane: tag } });
  }
  return {
    instances,
    async stop() {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

/** Sends a request to a gateway; returns what the instance received, or the status of the refusal. */
export function ask(
  port: number,
  {
    host = 'www.example.com',
    path = '/a',
    method = 'GET',
    headers = {},
  }: { host?: string; path?: string; method?: string; headers?: Record<string, string | string[]> },
): Promise<Got | number> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: '127.0.0.1', port, path, method, headers: { host, ...headers }, agent: false },
      (response: IncomingMessage) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve(response.statusCode === 200 ? (JSON.parse(body) as Got) : (response.statusCode ?? 0)));
        response.on('error', reject);
      },
    );
    request.on('error', reject).end();
  });
}

/** The scenario: lane gray by host, header and cookie, and half of the requests for a fourth host. */
export const SHOP: LaneGroupsDocument = {
  version: 1,
  groups: [
    {
      name: 'shop',
      services: ['spring-cloud-a'],
      entry: { services: ['lane-gateway'] },
      lanes: [
        {
          name: 'gray',
          tag: 'gray',
          rules: [
            { name: 'by-domain', match: { host: { exact: 'www.example.com' } } },
            { name: 'staff', match: { all: [{ header: 'x-user', in: ['alice', 'bob'] }, { path: { prefix: '/a' } }] } },
            { name: 'opted-in', match: { cookie: 'release', exact: 'gray' } },
            { name: 'half', match: { host: { exact: 'half.example.com' } }, percent: 50 },
          ],
        },
      ],
    },
  ],
};

/** The source of an export for these instances. */
export function sourceOf({ instances }: Instances, document: LaneGroupsDocument, port: number): ExportSource {
  return {
    document,
    formats: ['baggage'],
    port,
    routes: [{ host: '*', path: '/', service: 'spring-cloud-a' }],
    instancesOf: (service) => (service === 'spring-cloud-a' ? instances : undefined),
  };
}
