/** What the tests of our connections ask of one, over HTTP and over gRPC. */
import type { ConfigDocument, Instance, ServiceKey } from '@lane/core/model';
import { Received } from '@lane/testing';
import type { NacosConnection, Registration } from '../../dist/index.js';

/** Instances as a connection tells of them. */
export type Instances = readonly Instance[];

let count = 0;
/** A service that no other test of the file uses. */
export function newService(): ServiceKey {
  return { group: 'DEFAULT_GROUP', name: `service-${++count}` };
}

/** Their ports, in order. */
export const ports = (instances: Instances): number[] => instances.map(({ port }) => port).sort((a, b) => a - b);

/** What is registered at a port of this machine. */
export const at = (port: number, metadata: Record<string, string> = {}): Registration => ({ ip: '127.0.0.1', port, metadata });

/** Observes a service, and keeps what is told. */
export function observe(connection: NacosConnection, key: ServiceKey): Received<Instances> {
  const received = new Received<Instances>();
  connection.observe(key, received.push);
  return received;
}

/** Watches a document of lanes, and keeps what is told. */
export function watch(connection: NacosConnection, dataId: string): Received<ConfigDocument | undefined> {
  const received = new Received<ConfigDocument | undefined>();
  connection.watch(dataId, 'LANE', received.push);
  return received;
}
