'use strict';
// Instances of one lane, of many services, which find each other through Nacos and know nothing of lanes.

const http = require('node:http');
const { NacosNamingClient } = require('nacos');
const { serve, requestByHttp, listenAsTold } = require('./hop.cjs');

const quiet = { debug() {}, info() {}, log() {}, warn() {}, error() {} };
const naming = new NacosNamingClient({ logger: quiet, serverList: process.env.NACOS, namespace: 'public' });
const agent = new http.Agent({ keepAlive: true });
const mayServe = ({ healthy, enabled, weight }) => healthy && enabled && weight > 0;
const oneOf = (instances) => instances[Math.floor(Math.random() * instances.length)];
const addressOf = (instance) => instance && `${instance.ip}:${instance.port}`;

const ways = {
  'by service name': ({ service }) => service,
  selectInstances: async ({ service }) => addressOf(oneOf(await naming.selectInstances(service))),
  getAllInstances: async ({ service }) => addressOf(oneOf((await naming.getAllInstances(service)).filter(mayServe))),
  // An address that this app got from somewhere, of any lane; the agent knows its instance once the app has asked for the service.
  'remembered address': async ({ service, address }) => naming.getAllInstances(service).then(() => address),
};

async function call(planned, baggage) {
  const { service, way, client, copies, calls } = planned;
  const host = await ways[way](planned);
  if (host === undefined) return { service, unavailable: true };
  const headers = {
    'x-calls': JSON.stringify(calls),
    ...(copies && baggage.length > 0 ? { baggage: client === 'http' ? baggage : baggage.join(',') } : {}),
  };
  try {
    const { status, body } =
      client === 'http'
        ? await requestByHttp(`http://${host}/`, { headers, agent })
        : await fetch(`http://${host}/`, { headers }).then(async (response) => ({ status: response.status, body: await response.text() }));
    if (status !== 200) throw new Error(body);
    return JSON.parse(body);
  } catch (error) {
    if ((error.code ?? error.cause?.code) === 'ELANE_UNAVAILABLE') return { service, unavailable: true };
    throw error;
  }
}

listenAsTold(async ({ service, tag, state }) => {
  const port = await serve({ service, tag }, call);
  if (service !== undefined) {
    await naming.ready();
    await naming.registerInstance(service, {
      ip: '127.0.0.1',
      port,
      // nacos 2.6.3 treats the number 0 as missing, and makes it 1.
      weight: state === 'out' ? '0' : 1,
      enabled: state !== 'off',
      // Hundreds of them would send heartbeats every 5 s.
      metadata: { 'preserved.heart.beat.interval': '60000', 'preserved.heart.beat.timeout': '600000', 'preserved.ip.delete.timeout': '600000' },
    });
  }
  return port;
});
