import { connectNacos, type NacosConnection, type NacosInstance, type NacosOptions, type Registration } from '@lane/nacos-registry';
import type { ConfigClient, Connection, Instance, NacosDriver, NamingClient, NewInstance } from './driver.js';
import { startProviderProcess } from './provider.js';

/** Our own gRPC connection, under the same contract as the SDKs. */
export const ownGrpcDriver: NacosDriver = {
  sdk: '@lane/nacos-registry',
  protocol: 'grpc',
  createNaming: (connection, decorate = (client) => client) => Promise.resolve(namingOf(decorate(connectNacos(optionsOf(connection))))),
  createConfig: (connection) => Promise.resolve(configOf(connectNacos(optionsOf(connection)))),
  startProvider: (connection, service, instance) =>
    startProviderProcess('own-grpc-provider.cjs', { options: optionsOf(connection), service, instance: registrationOf(instance) }),
};

function namingOf(client: NacosConnection): NamingClient {
  return {
    register: (service, instance) => client.register(service, registrationOf(instance)),
    deregister: (service, instance) => client.deregister(service, registrationOf(instance)),
    // We ignore clusters: the caller chooses among all instances.
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
  // We do not distinguish ephemeral instances.
  return { ip, port, weight, healthy, enabled, ephemeral: true, clusterName: cluster, metadata: { ...metadata } };
}
