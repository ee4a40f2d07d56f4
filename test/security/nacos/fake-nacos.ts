/** A Nacos with one list of instances, and UDP sockets to push from, as the server or as a stranger. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** Its service. */
export const KEY = { group: 'DEFAULT_GROUP', name: 'shop' };

/** A list of one instance. */
export const hostsAt = (port: number): unknown[] => [{ ip: '127.0.0.1', port, healthy: true, enabled: true, weight: 1, metadata: {} }];

/** A push of a list. */
export const push = (hosts: unknown[], clusters = ''): string =>
  JSON.stringify({ type: 'dom', data: JSON.stringify({ name: 'DEFAULT_GROUP@@shop', clusters, hosts }), lastRefTime: 1 });

/** A running fake. */
export interface FakeNacos {
  readonly address: string;
  /** The requests that it got. */
  readonly asked: URL[];
  /** Resolves once it has got this many requests. */
  askedTimes(count: number): Promise<void>;
  /** Changes its list to an instance at this port. */
  serve(port: number): void;
}

/** Starts one with an instance at port 1001. It tells clients to ask again in a minute. */
export async function startNacos(): Promise<FakeNacos> {
  const asked: URL[] = [];
  let hosts = hostsAt(1001);
  let wake = (): void => {};
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://nacos');
    asked.push(url);
    const { serviceName: name, clusters } = Object.fromEntries(url.searchParams);
    response.end(JSON.stringify({ name, clusters, hosts, cacheMillis: 60_000 }));
    wake();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async askedTimes(count) {
      while (asked.length < count) await new Promise<void>((resolve) => (wake = resolve));
    },
    serve: (port) => (hosts = hostsAt(port)),
  };
}

/** A UDP socket at an address; Nacos is at 127.0.0.1. */
export async function udpFrom(address: string): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  return socket;
}
