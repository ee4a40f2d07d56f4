import { setTimeout as pause } from 'node:timers/promises';
import { NacosConfigClient, NacosNamingClient, type NacosServiceInstance } from 'nacos-sdk-rust-binding-node';
import { eventually } from '@lane/testing/eventually';
import { HttpApi } from './http-api.js';
import type { ConfigClient, Connection, Instance, NacosDriver, NamingClient } from './driver.js';
import { startProviderProcess } from './provider.js';

/** The npm package `nacos-sdk-rust-binding-node`: gRPC. Its clients cannot be closed; they last as long as the process. */
export const grpcDriver: NacosDriver = {
  sdk: 'nacos-sdk-rust-binding-node',
  protocol: 'grpc',
  createNaming,
  createConfig,
  startProvider: (connection, service, instance) => startProviderProcess('grpc-provider.cjs', { options: optionsOf(connection), service, instance }),
};

async function createNaming(
  connection: Connection,
  decorate: <Client extends object>(client: Client) => Client = (client) => client,
): Promise<NamingClient> {
  const createdAt = performance.now();
  const client = decorate(new NacosNamingClient(optionsOf(connection)));
  return {
    async register(service, instance) {
      await keepClearOfSweeps(createdAt);
      await client.registerInstance(service.name, service.group, instance);
    },
    deregister: (service, instance) => client.deregisterInstance(service.name, service.group, instance),
    async list(service, clusters = []) {
      return (await client.getAllInstances(service.name, service.group, clusters, false)).map(instanceOf);
    },
    async listHealthy(service) {
      return (await client.selectInstances(service.name, service.group, [], false, true)).map(instanceOf);
    },
    subscribe: (service, listener) =>
      client.subscribe(service.name, service.group, ['DEFAULT'], (error, instances) => {
        if (error === null) listener(instances.map(instanceOf));
      }),
    async close() {},
  };
}

/**
 * Every 3 s from its creation, a client sends again each registration that is in flight at that moment, possibly after the registration
 * or deregistration that followed it, which it thereby undoes (nacos-sdk 0.8.0, naming/redo/mod.rs). So we keep none in flight then.
 */
async function keepClearOfSweeps(createdAt: number): Promise<void> {
  const sinceSweepMs = (performance.now() - createdAt) % 3000;
  if (sinceSweepMs < 200) await pause(200 - sinceSweepMs);
  else if (sinceSweepMs > 2000) await pause(3200 - sinceSweepMs);
}

async function createConfig(connection: Connection): Promise<ConfigClient> {
  const client = new NacosConfigClient(optionsOf(connection));
  return {
    async get(dataId, group) {
      try {
        return await client.getConfig(dataId, group);
      } catch (error) {
        if (/config data not exist/.test((error as Error).message)) return undefined;
        throw error;
      }
    },
    async publish(dataId, group, content) {
      await client.publishConfig(dataId, group, content);
    },
    async remove(dataId, group) {
      await client.removeConfig(dataId, group);
    },
    async listen(dataId, group, listener) {
      await client.addListener(dataId, group, (error, config) => {
        if (error === null) listener(config.content);
      });
      // addListener reads the config and only then, in the background, tells the server, and drops its answer: a change in between
      // goes unnoticed for a minute (nacos-sdk 0.8.0, config/worker.rs).
      const api = new HttpApi(connection);
      await eventually(async () => {
        const { body } = await api.config('GET', '/configs/listener', { query: { dataId, group } });
        const { lisentersGroupkeyStatus: listeners } = JSON.parse(body) as { lisentersGroupkeyStatus: Record<string, string> };
        if (Object.keys(listeners).length === 0) throw new Error(`the server knows no listener of ${dataId} yet`);
      });
    },
    async close() {},
  };
}

function optionsOf({ address, ...rest }: Connection): ConstructorParameters<typeof NacosNamingClient>[0] {
  return { serverAddr: address, ...rest };
}

function instanceOf(instance: NacosServiceInstance): Instance {
  const { ip, port, weight = 1, healthy = true, enabled = true, ephemeral = true, clusterName = 'DEFAULT', metadata = {} } = instance;
  return { ip, port, weight, healthy, enabled, ephemeral, clusterName, metadata };
}
