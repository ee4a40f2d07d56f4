/** A registry of the size that the console must handle: 300 services × 12 lanes × 3 instances, and one lane group over all of them. */
import http from 'node:http';
import { once } from 'node:events';
import type { LaneGroupsDocument } from '@lane/core/rules';
import type { EmbeddedNacos } from '@lane/embedded-nacos';

export const SERVICES = 300;
export const LANES = 12;
const INSTANCES = 3;
const CONCURRENCY = 16;

/** The name of a service; every tenth is longer than a column. */
export function serviceName(index: number): string {
  const number = String(index).padStart(3, '0');
  return index % 10 === 7 ? `settlement-reconciliation-and-notification-service-${number}` : `service-${number}`;
}

export function laneName(index: number): string {
  return `canary-${String(index + 1).padStart(2, '0')}`;
}

/** Whether lanes have instances of a service: every fifth service is in no lane. */
export function isInLanes(service: number): boolean {
  return service % 5 !== 4;
}

/** One lane group, `large`, of all services. Its last lane is strict: without an instance, nothing serves. */
export function laneGroups(): LaneGroupsDocument {
  const services = Array.from({ length: SERVICES }, (_, i) => serviceName(i));
  const lanes = Array.from({ length: LANES }, (_, i) => ({
    name: laneName(i),
    tag: laneName(i),
    enabled: true,
    fallback: i === LANES - 1 ? ('none' as const) : ('base' as const),
    rules: [{ name: `by-domain-${i}`, match: { host: { exact: `canary-${i}.example.com` } } }],
  }));
  return { version: 1, groups: [{ name: 'large', services, entry: { services: [serviceName(0)] }, lanes }] };
}

/** Registers all instances, as persistent ones, which need no heartbeats. */
export async function fill(nacos: EmbeddedNacos): Promise<void> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONCURRENCY });
  const paths: string[] = [];
  for (let service = 0; service < SERVICES; service++) {
    for (let lane = -1; lane < LANES; lane++) {
      if (lane >= 0 && !isInLanes(service)) continue;
      for (let instance = 0; instance < INSTANCES; instance++) {
        const query = new URLSearchParams({
          serviceName: serviceName(service),
          groupName: 'DEFAULT_GROUP',
          ip: `10.${service % 250}.${Math.floor(service / 250) * 16 + lane + 1}.${instance + 1}`,
          port: '8080',
          ephemeral: 'false',
          metadata: JSON.stringify(lane < 0 ? {} : { lane: laneName(lane) }),
        });
        paths.push(`/nacos/v1/ns/instance?${query}`);
      }
    }
  }
  const worker = async (): Promise<void> => {
    for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
      const request = http.request({ host: nacos.host, port: nacos.port, path, method: 'POST', agent }).end();
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      if (response.statusCode !== 200) throw new Error(`registering was answered with ${response.statusCode}`);
      response.resume();
      await once(response, 'end');
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  agent.destroy();
}
