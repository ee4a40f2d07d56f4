import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { connectNacos, type NacosConnection, type NacosInstance, type NacosOptions, type Registration } from '@lane/nacos-registry';
import type { ConfigClient, Connection, Instance, NacosDriver, NamingClient, NewInstance } from './driver.js';

/** Our own connection over gRPC, held to what the SDKs are held to. */
export const ownGrpcDriver: NacosDriver = {
  sdk: '@lane/nacos-registry',
  protocol: 'grpc',
  createNaming: (connection, decorate = (client) => client) => Promise.resolve(namingOf(decorate(connectNacos(optionsOf(connection))))),
  createConfig: (connection) => Promise.resolve(configOf(connectNacos(optionsOf(connection)))),
  async startProvider(connection, service, instance) {
    const task = JSON.stringify({ options: optionsOf(connection), service, instance: registrationOf(instance) });
    const child = fork(join(__dirname, 'own-grpc-provider.cjs'), [task], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const exited = once(child, 'exit');
    await Promise.race([once(child, 'message'), exited.then(() => Promise.reject(new Error('own-grpc-provider.cjs ended before it registered')))]);
    return {
      async vanish() {
        child.kill('SIGKILL');
        await exited;
      },
    };
  },
};

function namingOf(client: NacosConnection): NamingClient {
  return {
    register: (service, instance) => client.register(service, registrationOf(instance)),
    deregister: (service, instance) => client.deregister(service, registrationOf(instance)),
    // Clusters are nothing to us: whoever wants some chooses among all.
    async list(service, clusters = []) {
      return (await client.list(service)).map(instanceOf).filter(({ clusterName }) => clusters.length === 0 || clusters.includes(clusterName));
    },
    async listHealthy(service) {
      return (await client.list(service)).map(instanceOf).filter(({ healthy }) => healthy);
    },
    async subscribe(service, listener) {
      client.observe(service, (instances) => listener((instances as readonly NacosInstance[]).map(instanceOf)));
    },
    close: () => client.close(),
  };
}

function configOf(client: NacosConnection): ConfigClient {
  return {
    get: async (dataId, group) => (await client.get(dataId, group))?.content,
    publish: (dataId, group, content) => client.publish(dataId, group, content),
    remove: (dataId, group) => client.remove(dataId, group),
    async listen(dataId, group, listener) {
      client.watch(dataId, group, (document) => document !== undefined && listener(document.content));
    },
    close: () => client.close(),
  };
}

function optionsOf({ address, ...rest }: Connection): NacosOptions {
  return { server: address, transport: 'grpc', ...rest };
}

function registrationOf({ clusterName, ...instance }: NewInstance): Registration {
  return { ...instance, ...(clusterName === undefined ? {} : { cluster: clusterName }) };
}

function instanceOf({ ip, port, weight, healthy, enabled, cluster, metadata }: NacosInstance): Instance {
  // Which instances are ephemeral makes no difference to us.
  return { ip, port, weight, healthy, enabled, ephemeral: true, clusterName: cluster, metadata: { ...metadata } };
}
