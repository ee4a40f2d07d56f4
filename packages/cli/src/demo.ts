/** The demo: A → B → C behind Nacos and a gateway, base and gray, in processes that know nothing of lanes. */
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { laneGroupsToJson, type LaneGroupsDocument } from '@lane/core/rules';
import { DEFAULT_FORMATS, InstanceTags, type ServiceKey, type Tag } from '@lane/core/model';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP, publishLaneGroups } from '@lane/storage';
import { CliError } from './cli-error.js';
import { ManagedProcess } from './managed-process.js';
import { prepareShop } from './shop.js';

/** The three services of the scenario. */
export const SHOP = [
  { letter: 'a', name: 'A', service: 'spring-cloud-a' },
  { letter: 'b', name: 'B', service: 'spring-cloud-b' },
  { letter: 'c', name: 'C', service: 'spring-cloud-c' },
] as const;

/** The host whose requests are base, and the one whose requests are gray. */
export const BASE_HOST = 'www.aliyundoc.com';
export const GRAY_HOST = 'www.example.com';
const GRAY: Tag = 'gray';

const NACOS_PORT = 8848;
const GATEWAY_PORT = 8000;
const CONSOLE_PORT = 8900;
const READY_TIMEOUT_MS = 90_000;
const POLL_MS = 100;
/** Measured for a service with the agent. */
const MEGABYTES_EACH = 85;
/** Report progress after every so many processes. */
const PROGRESS_STEP = 4;

/** Options of {@link startDemo}. */
export interface DemoOptions {
  /** An existing Nacos, `host:port`. Default: starts an embedded one. */
  readonly nacos?: string | undefined;
  readonly nacosUsername?: string | undefined;
  readonly nacosPassword?: string | undefined;
  /** Namespace id. Default `public`. */
  readonly namespace?: string | undefined;
  /** `auto`: free ports instead of 8848 and 8000. */
  readonly ports?: 'default' | 'auto' | undefined;
  /** Services without a canary, by letter. */
  readonly without?: readonly string[] | undefined;
  /** Processes of each service and lane. Default 2. */
  readonly replicas?: number | undefined;
  /** Default `hosts`. */
  readonly entry?: 'hosts' | 'rules' | undefined;
  /** `none`: publishes no lane group, to create it by hand. Default `shop`. */
  readonly laneGroups?: 'shop' | 'none' | undefined;
  /** Starts the console, too. */
  readonly console?: boolean | undefined;
  /** Additional environment of the services. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Called at each step. */
  readonly onProgress?: ((line: string) => void) | undefined;
  /** Called when a process ends unexpectedly. */
  readonly onDeath?: ((description: string) => void) | undefined;
}

/** One process of a service. */
export interface DemoService {
  readonly name: 'A' | 'B' | 'C';
  readonly service: string;
  readonly lane: 'base' | 'gray';
  readonly replica: number;
  readonly pid: number;
  /** `ip:port`, as registered. */
  readonly address: string;
  /** Kills it; with SIGTERM it deregisters first. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts a new process in its place, on another port, and waits until it has registered. */
  restart(): Promise<void>;
}

/** The running scenario. */
export interface Demo {
  readonly gatewayUrl: string;
  /** The console's URL, if it was requested. */
  readonly consoleUrl: string | undefined;
  /** `host:port`. */
  readonly nacosAddress: string;
  readonly services: readonly DemoService[];
  /** Requests /a of a host from the gateway. */
  request(host: string, headers?: Readonly<Record<string, string>>): Promise<{ status: number; body: string }>;
  /** The expected answer to a request of that host. */
  expected(host: string): RegExp;
  /** Resolves when the registry has exactly this many healthy instances of a service in a lane. */
  waitForInstances(service: string, lane: 'base' | 'gray', count: number): Promise<void>;
  /** Stops and cleans up everything. */
  stop(): Promise<void>;
}

/** The lane group of the scenario; its rule is for `--entry rules`. */
export function shopLaneGroups(): LaneGroupsDocument {
  return {
    version: 1,
    groups: [
      {
        name: 'shop',
        services: SHOP.map(({ service }) => service),
        entry: { services: ['lane-gateway'] },
        lanes: [{ name: GRAY, tag: GRAY, enabled: true, fallback: 'base', rules: [{ name: 'by-domain', match: { host: { exact: GRAY_HOST } } }] }],
      },
    ],
  };
}

const shopText = (): string => laneGroupsToJson(shopLaneGroups());

/** Publishes the lane group of the scenario; true if it did not exist. Rejects rather than replace other lane groups. */
async function publishShop(connection: NacosConnection): Promise<boolean> {
  const found = await connection.get(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP);
  if (found !== undefined && found.content !== shopText()) {
    throw new CliError(
      `the Nacos on ${connection.server} already has lane groups (dataId ${LANE_GROUPS_DATA_ID}, group ${LANE_GROUPS_GROUP}), which the demo would replace: add --namespace with the id of an empty namespace`,
      'ELANE_CONFLICT',
    );
  }
  if (found === undefined) await publishLaneGroups(connection, shopText());
  return found === undefined;
}

async function removeShop(connection: NacosConnection): Promise<void> {
  const found = await connection.get(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP);
  if (found?.content === shopText()) await connection.remove(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP);
}

/** Starts the scenario and resolves when every process is registered and the gateway serves. */
export async function startDemo(options: DemoOptions = {}): Promise<Demo> {
  const { replicas = 2, entry = 'hosts', without = [], laneGroups = 'shop', onProgress = () => {}, onDeath = () => {} } = options;
  expectAgent();
  const auto = options.ports === 'auto';
  if (!auto) {
    if (options.nacos === undefined)
      await expectFreePort(NACOS_PORT, 'the embedded Nacos', ', or --nacos host:port to use the Nacos that runs there');
    await expectFreePort(GATEWAY_PORT, 'the gateway', '');
    if (options.console === true) await expectFreePort(CONSOLE_PORT, 'the console', '');
  }

  const processes = new Set<ManagedProcess>();
  const folder = await mkdtemp(join(tmpdir(), 'lane-demo-'));
  const ended: { connection?: NacosConnection; ownsLaneGroups?: boolean } = {};
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopping ??= (async () => {
      // Services first: they deregister, for which they need the registry.
      const isSupport = (one: ManagedProcess): boolean => one.name === 'the embedded Nacos';
      await Promise.all([...processes].filter((one) => !isSupport(one)).map((one) => one.stop()));
      if (ended.connection !== undefined) {
        // Remove only our own lane group, if unchanged. An embedded Nacos needs no clean-up.
        if (ended.ownsLaneGroups === true && options.nacos !== undefined) await removeShop(ended.connection).catch(() => {});
        await ended.connection.close();
      }
      await Promise.all([...processes].filter(isSupport).map((one) => one.stop()));
      await rm(folder, { recursive: true, force: true });
    })());

  try {
    return await start();
  } catch (error) {
    await stop();
    throw error;
  }

  async function start(): Promise<Demo> {
    const shop = await prepareShop(folder, onProgress);
    const nacosAddress = options.nacos ?? (await startNacos());
    const connection = connectNacos({
      server: nacosAddress,
      namespace: options.namespace,
      username: options.nacosUsername,
      password: options.nacosPassword,
      holdProcess: true,
    });
    ended.connection = connection;
    const check = await connection.check();
    if (!check.ok) throw new CliError(check.problem, check.code ?? 'ELANE_NACOS');
    if (options.nacos !== undefined) onProgress(`using Nacos on ${nacosAddress}`);
    if (laneGroups === 'shop') {
      ended.ownsLaneGroups = await publishShop(connection);
      onProgress('published lane group shop with lane gray (dataId lane-groups, group LANE)');
    }

    const env: Record<string, string> = {
      NACOS_SERVER: nacosAddress,
      NACOS_NAMESPACE: options.namespace ?? 'public',
      ...(options.nacosUsername === undefined ? {} : { NACOS_USERNAME: options.nacosUsername }),
      ...(options.nacosPassword === undefined ? {} : { NACOS_PASSWORD: options.nacosPassword }),
      LANE_SNAPSHOT_DIR: folder,
      // Figures for the console: each service listens on a free port and announces it.
      ...(options.console === true ? { LANE_ADMIN_PORT: '0' } : {}),
      ...options.env,
    };
    const roles = SHOP.flatMap((one) =>
      (['base', 'gray'] as const).filter((lane) => lane === 'base' || !without.includes(one.letter)).map((lane) => ({ ...one, lane })),
    );
    const count = roles.length * replicas;
    const fewer = replicas === 1 ? '' : `; --replicas 1 starts ${roles.length}`;
    onProgress(`starting ${count} processes (about ${(Math.round((count * MEGABYTES_EACH) / 100) / 10).toFixed(1)} GB of memory${fewer})`);
    const services = roles.flatMap((role) => Array.from({ length: replicas }, (_, replica) => startService(role, replica, shop, env)));
    let registered = 0;
    await Promise.all(
      services.map(async (service) => {
        await service.restart();
        if (++registered % PROGRESS_STEP === 0 && registered < count) onProgress(`${registered} of ${count} registered`);
      }),
    );

    const waitForInstances = (service: string, lane: 'base' | 'gray', count: number): Promise<void> =>
      waitUntilRegistered(connection, service, lane, count);
    for (const { service, letter } of SHOP) {
      const gray = without.includes(letter) ? 0 : replicas;
      await waitForInstances(service, 'base', replicas);
      await waitForInstances(service, 'gray', gray);
      onProgress(`${service}: ${replicas} base, ${gray} gray`);
    }

    const gatewayUrl = await startGatewayProcess(nacosAddress);
    onProgress(`gateway on ${gatewayUrl}`);
    const consoleUrl = options.console === true ? await startConsoleProcess(nacosAddress) : undefined;
    if (consoleUrl !== undefined) onProgress(`console on ${consoleUrl}`);
    return {
      gatewayUrl,
      consoleUrl,
      nacosAddress,
      services,
      waitForInstances,
      stop,
      request: (host, headers = {}) => get(`${gatewayUrl}/a`, { ...headers, host }),
      expected: (host) => expectedAnswer(host === GRAY_HOST ? (letter) => !without.includes(letter) : () => false),
    };
  }

  function startProcess(process: ConstructorParameters<typeof ManagedProcess>[0]): ManagedProcess {
    const started = new ManagedProcess({ ...process, onDeath });
    processes.add(started);
    void started.exited.then(() => processes.delete(started));
    return started;
  }

  async function startNacos(): Promise<string> {
    const nacos = startProcess({
      name: 'the embedded Nacos',
      script: join(__dirname, 'main.js'),
      args: ['nacos', '--port', String(auto ? 0 : NACOS_PORT)],
    });
    const { port } = await nacos.message<{ port: number }>();
    onProgress(`embedded Nacos on 127.0.0.1:${port}`);
    return `127.0.0.1:${port}`;
  }

  async function startGatewayProcess(nacosAddress: string): Promise<string> {
    const [a] = SHOP;
    const routes = entry === 'hosts' ? [`${BASE_HOST}=${a.service}`, `${GRAY_HOST}=${a.service}:${GRAY}`] : [`*=${a.service}`];
    const gateway = startProcess({
      name: 'the gateway',
      script: join(__dirname, 'main.js'),
      args: [
        'gateway',
        ...['--port', String(auto ? 0 : GATEWAY_PORT), '--nacos', nacosAddress, '--entry', entry],
        ...(options.namespace === undefined ? [] : ['--namespace', options.namespace]),
        ...routes.flatMap((route) => ['--route', route]),
      ],
      env: credentials(),
    });
    const { port } = await gateway.message<{ port: number }>();
    return `http://127.0.0.1:${port}`;
  }

  async function startConsoleProcess(nacosAddress: string): Promise<string> {
    const started = startProcess({
      name: 'the console',
      script: join(__dirname, 'main.js'),
      args: [
        'console',
        ...['--port', String(auto ? 0 : CONSOLE_PORT), '--nacos', nacosAddress],
        ...(options.namespace === undefined ? [] : ['--namespace', options.namespace]),
      ],
      env: credentials(),
    });
    const { port } = await started.message<{ port: number }>();
    return `http://127.0.0.1:${port}`;
  }

  function credentials(): Record<string, string> {
    return {
      ...(options.nacosUsername === undefined ? {} : { LANE_NACOS_USERNAME: options.nacosUsername }),
      ...(options.nacosPassword === undefined ? {} : { LANE_NACOS_PASSWORD: options.nacosPassword }),
    };
  }

  function startService(
    role: (typeof SHOP)[number] & { readonly lane: 'base' | 'gray' },
    replica: number,
    shop: string,
    env: Readonly<Record<string, string>>,
  ): DemoService {
    const { letter, name, service, lane } = role;
    let current: ManagedProcess | undefined;
    let address = '';
    return {
      name,
      service,
      lane,
      replica,
      get pid() {
        return current?.pid ?? -1;
      },
      get address() {
        return address;
      },
      kill: async (signal) => current?.kill(signal),
      async restart() {
        if (current?.isRunning === true) await current.stop();
        current = startProcess({
          name: `${name} ${lane} ${replica + 1}`,
          script: join(shop, `${letter}.js`),
          // NODE_OPTIONS="--require @lane/agent" resolves from here: the shop itself does not have the agent installed.
          cwd: join(__dirname, '..'),
          preload: ['@lane/agent'],
          env: {
            ...env,
            NAME: lane === 'gray' ? `${name}gray` : name,
            ...(lane === 'gray' ? { LANE_TAG: GRAY } : {}),
            ...(lane === 'gray' && letter === 'a' && entry === 'hosts' ? { LANE_STAMP: 'true' } : {}),
          },
        });
        [, address = ''] = await current.line(/registered as (\S+)/);
      },
    };
  }
}

/** The chain's answer, where `isGray` says which services answer from their canary. */
function expectedAnswer(isGray: (letter: string) => boolean): RegExp {
  return new RegExp(`^${SHOP.map(({ letter, name }) => `${name}${isGray(letter) ? 'gray' : ''}\\[[\\d.]+:\\d+\\]`).join(' -> ')}$`);
}

function expectAgent(): void {
  try {
    require.resolve('@lane/agent');
  } catch {
    throw new CliError('the agent is not built: run npm run build', 'ELANE_NOT_BUILT');
  }
}

async function expectFreePort(port: number, what: string, more: string): Promise<void> {
  const probe = createServer().listen(port, '127.0.0.1');
  try {
    await once(probe, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new CliError(
      `port ${port}, which ${what} needs, is in use: stop what listens there, or pass --ports auto for free ports${more}`,
      'ELANE_PORT_IN_USE',
    );
  }
  probe.close();
  await once(probe, 'close');
}

async function waitUntilRegistered(connection: NacosConnection, name: string, lane: 'base' | 'gray', count: number): Promise<void> {
  const key: ServiceKey = { name, group: 'DEFAULT_GROUP' };
  // The demo's lane groups label nobody.
  const tags = new InstanceTags(DEFAULT_FORMATS, undefined);
  const deadline = Date.now() + READY_TIMEOUT_MS;
  let found = 0;
  while (Date.now() < deadline) {
    const instances = await connection.list(key);
    found = instances.filter((one) => one.healthy && (tags.tagOf(name, one) === GRAY) === (lane === 'gray')).length;
    if (found === count) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new CliError(
    `${name} has ${found} healthy ${lane} instances in Nacos after ${READY_TIMEOUT_MS / 1000} s, not ${count}`,
    'ELANE_NOT_REGISTERED',
  );
}

function get(url: string, headers: Readonly<Record<string, string>>): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    http
      .get(url, { headers, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
        response.on('error', reject);
      })
      .on('error', reject);
  });
}
