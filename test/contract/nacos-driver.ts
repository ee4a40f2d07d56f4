import { mkdtempSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DataClient, type Host, NacosNamingClient } from 'nacos';
import type { ConfigClient, Connection, Instance, NacosDriver, NamingClient, NewInstance } from './driver.js';

// The SDK's types lack features of its code: metadata on registration, close(), and optional options.
type Registration = Parameters<NacosNamingClient['registerInstance']>[1];
type NamingOptions = ConstructorParameters<typeof NacosNamingClient>[0];
type Internals = { _hostReactor: unknown; close(): Promise<void> };

/** The npm package `nacos`: HTTP v1, UDP push, beats. */
export const nacosDriver: NacosDriver = {
  sdk: 'nacos',
  protocol: 'http',
  createNaming,
  createConfig,
  async startProvider(connection, service, instance) {
    const client = await createNaming(connection);
    await client.register(service, instance);
    return { vanish: () => client.close() };
  },
};

async function createNaming(
  { address, namespace, username, password }: Connection,
  decorate: <Client extends object>(client: Client) => Client = (client) => client,
): Promise<NamingClient> {
  const client = decorate(
    new NacosNamingClient({
      serverList: address,
      namespace,
      logger: silentLogger,
      ...(username !== undefined && password !== undefined && { username, password }),
    } as NamingOptions),
  );
  // Emitters without a listener for 'error' print each failed poll.
  for (const emitter of [client, (client as unknown as Internals)._hostReactor] as NodeJS.EventEmitter[]) emitter.on('error', () => {});
  await client.ready();

  return {
    register: (service, instance) => client.registerInstance(service.name, registration(instance), service.group),
    deregister: (service, instance) => client.deregisterInstance(service.name, registration(instance), service.group),
    async list(service, clusters = []) {
      return (await client.getAllInstances(service.name, service.group, clusters.join(','), false)).map(instanceOf);
    },
    async listHealthy(service) {
      return (await client.selectInstances(service.name, service.group, '', true, false)).map(instanceOf);
    },
    async subscribe(service, listener) {
      client.subscribe({ serviceName: service.name, groupName: service.group }, (hosts) => listener(hosts.map(instanceOf)));
    },
    close: () => (client as unknown as Internals).close(),
  };
}

async function createConfig({ address, namespace, username, password }: Connection): Promise<ConfigClient> {
  // In the home folder, not the temporary one: the SDK may still write after it has been closed.
  const cacheDir = mkdtempSync(join(homedir(), 'config-'));
  // Not NacosConfigClient: it shares a leader, and so its server and namespace, with every process on this host.
  const client = new DataClient({
    serverAddr: address,
    namespace,
    cacheDir,
    ...(username !== undefined && password !== undefined && { username, password }),
  });
  client.on('error', () => {});
  await client.ready();

  return {
    get: async (dataId, group) => (await client.getConfig(dataId, group, {})) ?? undefined,
    async publish(dataId, group, content) {
      await client.publishSingle(dataId, group, content);
    },
    async remove(dataId, group) {
      await client.remove(dataId, group, {});
    },
    async listen(dataId, group, listener) {
      client.subscribe({ dataId, group }, listener);
    },
    async close() {
      client.close();
      rmSync(cacheDir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

function registration(instance: NewInstance): Registration {
  return { instanceId: '', healthy: true, enabled: true, ...instance };
}

function instanceOf({ ip, port, weight, healthy, enabled, ephemeral, clusterName, metadata }: Host): Instance {
  return { ip, port, weight, healthy, enabled, ephemeral, clusterName, metadata };
}

const silentLogger = { ...console, debug() {}, info() {}, warn() {}, error() {}, log() {} };
