/**
 * A real cluster of three Nacos 2.2.4: members with their own raft, distro and storage, each in a network namespace of its own on one
 * bridge, so that a member can be cut off from the others while its clients reach it still. Needs Linux, root, `ip` and Java.
 * Limits: no MySQL (each member keeps configs in a Derby of its own, alike by raft); authentication is off.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { executable, isRunning, pause, prepare, realNacosAvailability, RealNacosError, type RealNacosAvailability } from './nacos-installation.js';
import { NacosProcess } from './nacos-process.js';

/** A member. */
export interface NacosMember {
  /** `host:port`, reached from this machine only. */
  readonly address: string;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
  /** Shuts it down as its service manager would; it leaves the cluster in order. */
  shutDown(): Promise<void>;
  /** Shuts it down if it runs, and starts it again with its data. */
  restart(): Promise<void>;
  /** Cuts it off: what it and the others send to each other gets lost from now on, without a word. */
  partition(): void;
  /** Ends the partition. */
  heal(): void;
  /** Sends it a signal. */
  signal(signal: NodeJS.Signals): void;
}

/** A running cluster. */
export interface NacosCluster {
  readonly members: readonly [NacosMember, NacosMember, NacosMember];
  /** The members' addresses, as both SDKs take them. */
  readonly addresses: string;
  /** The address of this machine by which members reach it: where they push to. */
  readonly host: string;
  /** Ends all, and removes the data and the network. */
  stop(): Promise<void>;
}

/** What a cluster is started with. */
export interface NacosClusterOptions {
  /** Gets a line for each step worth telling. */
  log?(line: string): void;
}

const VERSION = '2.2.4';
const PORT = 8848;
/** Three JVMs start at once. */
const startTimeoutMs = 400_000;
/** Nobody has this hardware address: what is sent there gets lost. */
const NOBODY = '02:00:00:00:00:00';

/** Tells whether a cluster can run here, and if not, why. */
export function nacosClusterAvailability(): RealNacosAvailability {
  if (process.platform !== 'linux') return { available: false, reason: 'network namespaces are Linux only' };
  if (process.getuid?.() !== 0) return { available: false, reason: 'only root makes network namespaces' };
  if (executable('ip') === undefined) return { available: false, reason: 'no `ip`: apt-get install iproute2' };
  const nacos = realNacosAvailability();
  if (!nacos.available) return nacos;
  const name = `lnp${process.pid}`;
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  const bridged = spawnSync('ip', ['link', 'add', name, 'type', 'bridge'], { encoding: 'utf8' });
  for (const undo of [`link del ${name}`, `netns del ${name}`]) spawnSync('ip', undo.split(' '));
  if (made.status === 0 && bridged.status === 0) return { available: true };
  return { available: false, reason: `this machine allows no network of one's own: ${(made.stderr + bridged.stderr).trim()}` };
}

/** Starts a cluster, and waits until each member serves and what one is told reaches the others. */
export async function startNacosCluster({ log = () => {} }: NacosClusterOptions = {}): Promise<NacosCluster> {
  const { available, reason } = nacosClusterAvailability();
  if (!available) throw new RealNacosError('ELANE_NACOS_UNAVAILABLE', `a cluster of Nacos ${VERSION} cannot run here: ${reason}`);
  const installation = await prepare(VERSION, log);
  removeLeftovers();
  const network = new Network();
  const addresses = network.hosts.map((host) => `${host}:${PORT}`);
  const servers = network.hosts.map(
    (host, i) =>
      new NacosProcess({
        ...{ version: VERSION, installation, host, port: PORT, members: addresses, startTimeoutMs, log },
        runBy: ['ip', 'netns', 'exec', network.namespaces[i] as string],
      }),
  );
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
    network.remove();
  };
  try {
    await Promise.all(servers.map((server) => server.start()));
    await untilReplicated(servers, addresses);
  } catch (error) {
    await stop();
    throw error;
  }
  const members = servers.map((server, i) => ({
    address: server.address,
    kill: () => server.kill(),
    shutDown: () => server.shutDown(),
    restart: () => server.restart(),
    partition: () => network.cut(i),
    heal: () => network.heal(i),
    signal: (signal: NodeJS.Signals) => void process.kill(server.pid, signal),
  }));
  return { members: members as unknown as NacosCluster['members'], addresses: addresses.join(','), host: network.host, stop };
}

/** A config that one is told is there at all: raft has a leader, and each member what it needs to forward to it. */
async function untilReplicated(servers: readonly NacosProcess[], addresses: readonly string[]): Promise<void> {
  for (const deadline = Date.now() + startTimeoutMs; ; await pause(500)) {
    try {
      for (const server of servers) await server.reserveKeys();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw new RealNacosError('ELANE_NACOS_START', `the cluster ${addresses.join(',')} stores no config: ${error}`);
    }
  }
}

/** A bridge, and a namespace for each member. Names begin with the process that made them. */
class Network {
  readonly host: string;
  readonly hosts: readonly string[];
  readonly namespaces: readonly string[];
  readonly #bridge: string;

  constructor() {
    const name = `ln${process.pid}`;
    const subnet = freeSubnet();
    this.#bridge = name;
    this.host = `${subnet}.1`;
    this.hosts = [1, 2, 3].map((i) => `${subnet}.1${i}`);
    this.namespaces = [1, 2, 3].map((i) => `${name}-${i}`);
    networks.add(this);
    ip(`link add ${name} type bridge`);
    ip(`addr add ${this.host}/24 dev ${name}`);
    ip(`link set ${name} up`);
    this.namespaces.forEach((namespace, i) => {
      ip(`netns add ${namespace}`);
      ip(`link add ${name}v${i} type veth peer name eth0 netns ${namespace}`);
      ip(`link set ${name}v${i} master ${name} up`);
      ip(`-n ${namespace} addr add ${this.hosts[i]}/24 dev eth0`);
      ip(`-n ${namespace} link set lo up`);
      ip(`-n ${namespace} link set eth0 up`);
    });
  }

  cut(member: number): void {
    this.#betweenOthers(member, (host) => `replace ${host} lladdr ${NOBODY} nud permanent dev eth0`);
  }

  heal(member: number): void {
    this.#betweenOthers(member, (host) => `del ${host} dev eth0`);
  }

  remove(): void {
    networks.delete(this);
    // A link goes with its namespace, but late.
    this.namespaces.forEach((namespace, i) => {
      tryIp(`link del ${this.#bridge}v${i}`);
      tryIp(`netns del ${namespace}`);
    });
    tryIp(`link del ${this.#bridge}`);
  }

  #betweenOthers(member: number, neighbour: (host: string) => string): void {
    this.namespaces.forEach((namespace, i) => {
      if (i === member) return;
      ip(`-n ${namespace} neigh ${neighbour(this.hosts[member] as string)}`);
      ip(`-n ${this.namespaces[member]} neigh ${neighbour(this.hosts[i] as string)}`);
    });
  }
}

const networks = new Set<Network>();
process.once('exit', () => networks.forEach((network) => network.remove()));

/** Removes what processes left that were killed. Their JVMs end by themselves, as their standard input has ended. */
function removeLeftovers(): void {
  const namespaces = tryIp('netns list').matchAll(/^(ln(\d+)-\d)\b/gm);
  for (const [, name, pid] of namespaces) if (!isRunning(Number(pid))) tryIp(`netns del ${name}`);
  for (const [, name, pid] of tryIp('-br link').matchAll(/^(ln(\d+)(?:v\d)?)\b/gm)) if (!isRunning(Number(pid))) tryIp(`link del ${name}`);
}

/** Of the range for trials of networks, RFC 2544: 198.18.0.0/15. */
function freeSubnet(): string {
  const taken = Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []);
  for (;;) {
    const subnet = `198.18.${Math.floor(Math.random() * 256)}`;
    if (!taken.some((address) => address.startsWith(`${subnet}.`))) return subnet;
  }
}

function ip(command: string): string {
  return execFileSync('ip', command.split(' '), { encoding: 'utf8' });
}

function tryIp(command: string): string {
  return spawnSync('ip', command.split(' '), { encoding: 'utf8' }).stdout ?? '';
}
