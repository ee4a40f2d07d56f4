'use strict';
// An app on one of the SDKs (SDK: nacos or grpc): registers itself, discovers others, subscribes. Knows nothing of lanes.

const http = require('node:http');

const { SDK, NACOS, NAMESPACE, SERVICE, USERNAME, PASSWORD } = process.env;
const GROUP = 'DEFAULT_GROUP';
const quiet = { debug() {}, info() {}, log() {}, warn() {}, error() {} };

const drivers = {
  nacos() {
    const { NacosNamingClient } = require('nacos');
    const client = new NacosNamingClient({ logger: quiet, serverList: NACOS, namespace: NAMESPACE, username: USERNAME, password: PASSWORD });
    client.on('error', () => {});
    return {
      register: async (instance) => client.ready().then(() => client.registerInstance(SERVICE, instance)),
      deregister: (instance) => client.deregisterInstance(SERVICE, instance),
      getAllInstances: (service) => client.getAllInstances(service),
      selectInstances: (service) => client.selectInstances(service),
      subscribe: async (service, listener) => client.subscribe(service, listener),
    };
  },
  grpc() {
    const { NacosNamingClient } = require('nacos-sdk-rust-binding-node');
    const client = new NacosNamingClient({ serverAddr: NACOS, namespace: NAMESPACE, username: USERNAME, password: PASSWORD });
    return {
      register: (instance) => client.registerInstance(SERVICE, GROUP, instance),
      deregister: (instance) => client.deregisterInstance(SERVICE, GROUP, instance),
      getAllInstances: (service) => client.getAllInstances(service, GROUP),
      selectInstances: (service) => client.selectInstances(service, GROUP),
      selectOneHealthyInstance: async (service) => [await client.selectOneHealthyInstance(service, GROUP)],
      subscribe: (service, listener) => client.subscribe(service, GROUP, [], (error, list) => listener(list)),
    };
  },
};

const naming = drivers[SDK]();
const told = new Map();
const ports = (list) => list.map(({ port }) => port).sort();

const server = http.createServer(async (request, response) => {
  for await (const _ of request);
  const { pathname, searchParams } = new URL(request.url, 'http://app');
  const service = searchParams.get('service');
  try {
    if (pathname === '/whoami') response.end(process.env.NAME);
    else if (pathname === '/deregister') {
      await naming.deregister(self());
      response.end('{}');
    } else if (pathname === '/metadata') {
      response.end(JSON.stringify((await naming.getAllInstances(service)).map(({ port, metadata }) => ({ port, metadata }))));
    } else {
      // First, since the gRPC SDK reports only changes to a listener.
      if (!told.has(service)) {
        told.set(service, []);
        await naming.subscribe(service, (list) => told.set(service, ports(list)));
      }
      const answer = { getAllInstances: ports(await naming.getAllInstances(service)), selectInstances: ports(await naming.selectInstances(service)) };
      if (naming.selectOneHealthyInstance !== undefined) {
        answer.one = ports(await naming.selectOneHealthyInstance(service).catch((error) => [{ port: error.code ?? String(error.message) }]));
      }
      answer.told = told.get(service);
      response.end(JSON.stringify(answer));
    }
  } catch (error) {
    response.writeHead(500).end(String(error.stack));
  }
});
const self = () => ({ ip: '127.0.0.1', port: server.address().port, metadata: { owner: 'team' } });

server.listen(0, '127.0.0.1', async () => {
  if (process.env.REGISTER) await naming.register(self());
  process.send({ port: server.address().port });
});
process.on('disconnect', () => process.exit());
