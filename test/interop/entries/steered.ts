/** A Nacos with lane groups and instances that come and go, for gateways that are controlled live. */
import { once } from 'node:events';
import http from 'node:http';
import type { LaneGroupsDocument } from '@lane/core/rules';
import { connectNacos, type NacosConnection, type Registration } from '@lane/nacos-registry';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { publishLaneGroups } from '@lane/storage';
import { eventually } from '@lane/testing/eventually';
import { listen } from '@lane/testing/ports';
import { expect } from 'vitest';
import type { Got } from './entry.js';

const SERVICE = { name: 'spring-cloud-a', group: 'DEFAULT_GROUP' };
/** How long nobody has called an instance that has left before it ends: longer than `lane drain` waits for peers to hear of it. */
const QUIET_MS = 2_500;

/** A registered instance. */
export interface Steered {
  readonly registration: Registration;
  readonly served: () => number;
  /** Leaves Nacos, serves callers that have not heard of it yet, and ends. */
  leave(): Promise<void>;
  stop(): Promise<void>;
}

/** Lane groups: gray by the host `www.example.com`, by `turn.example.com` if `turned`, and by a header; blue by its host. */
export function turnedTo(turned: boolean, who = 'nobody'): LaneGroupsDocument {
  const rules = [
    { name: 'by-domain', match: { host: { exact: 'www.example.com' } } },
    { name: 'who', match: { header: 'x-who', exact: who } },
    ...(turned ? [{ name: 'turned', match: { host: { exact: 'turn.example.com' } } }] : []),
  ];
  return {
    version: 1,
    groups: [
      {
        name: 'shop',
        services: ['spring-cloud-a'],
        entry: { services: ['lane-gateway'] },
        lanes: [
          { name: 'gray', tag: 'gray', rules },
          { name: 'blue', tag: 'blue', rules: [{ name: 'by-domain', match: { host: { exact: 'blue.example.com' } } }] },
        ],
      },
    ],
  };
}

/** Nacos and its registrations. */
export class Registry {
  readonly #instances: Steered[] = [];

  private constructor(
    public nacos: EmbeddedNacos,
    private connection: NacosConnection,
  ) {}

  static async start(): Promise<Registry> {
    const nacos = await startEmbeddedNacos({ port: 0 });
    return new Registry(nacos, connectNacos({ server: nacos.address }));
  }

  publish(document: LaneGroupsDocument): Promise<void> {
    return publishLaneGroups(this.connection, document);
  }

  /** An instance of base and the only one of lane blue come, serve, and leave. `inForce` waits until the named instance serves `blue.example.com`. */
  async comeAndGo(inForce: (asked: { readonly host: string }, name: string) => Promise<unknown>): Promise<void> {
    const host = 'blue.example.com';
    const base = await this.add();
    const blue = await this.add('blue');
    await inForce({ host }, 'blue');
    await eventually(() => expect(base.served()).toBeGreaterThan(0));
    await Promise.all([base.leave(), blue.leave()]);
    await inForce({ host }, 'base');
  }

  async add(tag?: string): Promise<Steered> {
    let served = 0;
    const server = http.createServer((request, response) => {
      served++;
      const got: Got = { name: tag ?? 'base', url: request.url ?? '', headers: request.headers };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(got));
    });
    const port = await listen(server);
    const registration = { ip: '127.0.0.1', port, metadata: tag === undefined ? {} : { lane: tag } };
    await this.connection.register(SERVICE, registration);
    const stop = async (): Promise<void> => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    };
    const steered = {
      registration,
      served: () => served,
      stop,
      leave: async () => {
        await this.connection.deregister(SERVICE, registration);
        for (let before = -1; before !== served;) {
          before = served;
          await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
        }
        this.#instances.splice(this.#instances.indexOf(steered), 1);
        await stop();
      },
    };
    this.#instances.push(steered);
    return steered;
  }

  /** Stops Nacos, and starts it again at the same address, empty: without instances until they {@link comeBack}. */
  async forget(): Promise<void> {
    const { port } = this.nacos;
    await this.nacos.close();
    this.nacos = await startEmbeddedNacos({ port });
    await Promise.all(this.#instances.map(({ registration }) => this.connection.deregister(SERVICE, registration)));
  }

  /** Instances come back, one after the other. */
  async comeBack(): Promise<void> {
    for (const { registration } of this.#instances) {
      await this.connection.register(SERVICE, registration);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  async stop(): Promise<void> {
    await this.connection.close();
    await Promise.all(this.#instances.map((instance) => instance.stop()));
    await this.nacos.close();
  }
}
