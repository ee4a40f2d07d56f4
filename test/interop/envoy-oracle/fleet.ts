/** The instances of all topologies, twice: found through Nacos by processes under the agent, and behind Envoy. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { join } from 'node:path';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import type { Call, Trail } from './calls.js';
import type { Carrier } from './carrier.js';
import { startEnvoy, type Endpoint } from './envoy.js';
import { TAGS, type Topology, type TopologyInstance } from './topology.js';

/** The running fleet. */
export interface Fleet {
  /** Sends a request to the instances under the agent. */
  throughAgents(call: Call, carrier: Carrier): Promise<Trail>;
  /** Sends the same request to those behind Envoy. */
  throughEnvoy(call: Call, carrier: Carrier): Promise<Trail>;
  stop(): Promise<void>;
}

interface Placed extends TopologyInstance {
  readonly service: string;
}

/** Starts Nacos, Envoy, a process per lane with the instances of all services in that lane, and a process for those behind Envoy. */
export async function startFleet(topologies: readonly Topology[]): Promise<Fleet> {
  const placed = topologies.flatMap(({ services }) =>
    services.flatMap(({ name, instances }) => instances.map((instance) => ({ ...instance, service: name }))),
  );
  const names = topologies.flatMap(({ services }) => services.map(({ name }) => name));
  const nacos = await startEmbeddedNacos({ port: 0 });
  const children: ChildProcess[] = [];

  const under = (env: Record<string, string>): ChildProcess => {
    const child = startHop('discovering-hop.cjs', ['--require', require.resolve('@lane/agent')], {
      ...{ NACOS: nacos.address, LANE_NACOS_SERVER: nacos.address, LANE_RULES: 'none', LANE_SERVICES: names.join(',') },
      ...env,
    });
    children.push(child);
    return child;
  };
  const lanes = [undefined, ...TAGS].map((tag) => ({ tag, child: under(tag === undefined ? {} : { LANE_TAG: tag }) }));
  const addresses = new Map<string, string[]>();
  await Promise.all(
    lanes.map(async ({ tag, child }) => {
      const own = placed.filter((one) => one.tag === tag);
      const ports = await listen(child, own);
      own.forEach(({ service, state }, at) => {
        if (state === 'in') addresses.set(service, [...(addresses.get(service) ?? []), `127.0.0.1:${ports[at]}`]);
      });
    }),
  );
  const [entry = 0] = await listen((lanes[0] as { child: ChildProcess }).child, [{}]);

  const behind = startHop('envoy-hop.cjs', [], {});
  children.push(behind);
  // A control plane omits instances that may not serve: Envoy's subsets have no weight of 0.
  const serving = placed.filter(({ state }) => state === 'in');
  const ports = await listen(behind, serving);
  const endpoints = new Map<string, Endpoint[]>(names.map((name) => [name, []]));
  serving.forEach(({ service, tag }, at) => endpoints.get(service)?.push({ port: ports[at] as number, tag }));
  const envoy = await startEnvoy(endpoints);
  const [envoyEntry = 0] = await listen(behind, [{}], { envoyUrl: `http://127.0.0.1:${envoy.port}/` });

  /** Fills in the addresses that calls under the agent remember; a service without one is called by name. */
  const withAddresses = (call: Call): object => {
    const known = addresses.get(call.service) ?? [];
    const remembered = call.way === 'remembered address' ? known[Math.floor(call.remembers * known.length)] : undefined;
    return {
      ...call,
      ...(call.way !== 'remembered address' ? {} : remembered === undefined ? { way: 'by service name' } : { address: remembered }),
      calls: call.calls.map(withAddresses),
    };
  };

  const agent = new http.Agent({ keepAlive: true });
  return {
    throughAgents: (call, carrier) => send(agent, entry, withAddresses(call), carrier),
    throughEnvoy: (call, carrier) => send(agent, envoyEntry, call, carrier),
    async stop() {
      agent.destroy();
      await Promise.all(
        children.map(async (child) => {
          const exited = once(child, 'exit');
          child.kill('SIGKILL');
          await exited;
        }),
      );
      await envoy.stop();
      await nacos.close();
    },
  };
}

function startHop(script: string, execArgv: string[], env: Record<string, string>): ChildProcess {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LANE_') && !name.startsWith('VITEST')));
  return fork(join(__dirname, 'apps', script), { cwd: join(__dirname, '../..'), execArgv, env: { ...clean, NODE_OPTIONS: '', ...env } });
}

async function listen(child: ChildProcess, instances: ReadonlyArray<Partial<Placed>>, more: object = {}): Promise<number[]> {
  const ended = new AbortController();
  const listening = once(child, 'message', { signal: ended.signal });
  const gone = once(child, 'exit', { signal: ended.signal });
  child.send({ instances, ...more });
  try {
    const [message] = (await Promise.race([listening, gone])) as [{ ports: number[] } | number | null];
    if (message === null || typeof message === 'number') throw new Error(`a hop exited with ${message}; its output is above`);
    return message.ports;
  } finally {
    ended.abort();
    await Promise.allSettled([listening, gone]);
  }
}

function send(agent: http.Agent, port: number, call: object, carrier: Carrier): Promise<Trail> {
  return new Promise((resolve, reject) => {
    const headers = { 'x-calls': JSON.stringify([call]), ...(carrier.length === 0 ? {} : { baggage: [...carrier] }) };
    http
      .get({ host: '127.0.0.1', port, agent, headers }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (body += chunk));
        response.on('end', () => (response.statusCode === 200 ? resolve(JSON.parse(body) as Trail) : reject(new Error(body))));
        response.on('error', reject);
      })
      .on('error', reject);
  });
}
