/**
 * A real cluster of three Nacos 2.2.4: members with their own raft, distro and storage, each in its own network namespace on one
 * bridge, so that a member can be cut off from the others while clients still reach it. Needs Linux, root, `ip` and Java.
 * Limits: no MySQL (each member keeps configs in its own Derby, replicated by raft); authentication is off.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { isRunning, pause } from './lock.js';
import { executable, prepare, realNacosAvailability, RealNacosError, type RealNacosAvailability } from './nacos-installation.js';
import { NacosProcess } from './nacos-process.js';

/** A member of the cluster. */
export interface NacosMember {
  /** `host:port`, reachable from this machine only. */
  readonly address: string;
  /** Kills it, like a crash. */
  kill(): Promise<void>;
  /** Shuts it down as a service manager would; it leaves the cluster cleanly. */
  shutDown(): Promise<void>;
  /** Shuts it down if it runs, and starts it again with its data. */
  restart(): Promise<void>;
  /** Cuts it off: packets between it and the others get lost silently from now on. */
  partition(): void;
  /** Ends the partition. */
  heal(): void;
  /** Process id of the JVM; changes with restart(). */
  readonly pid: number;
  /** Sends it a signal. */
  signal(signal: NodeJS.Signals): void;
}

/** A running cluster. */
export interface NacosCluster {
  readonly members: readonly [NacosMember, NacosMember, NacosMember];
  /** The members' addresses, as both SDKs take them. */
  readonly addresses: string;
  /** This machine's address as members reach it; they push to it. */
  readonly host: string;
  /** Ends all members, and removes the data and the network. */
  stop(): Promise<void>;
}

/** Options of a cluster. */
export interface NacosClusterOptions {
  /** Gets a line for each step worth telling. */
  log?(line: string): void;
}

const VERSION = '2.2.4';
const PORT = 8848;
/** Three JVMs start at once. */
const startTimeoutMs = 400_000;
/** No machine has this hardware address: packets to it get lost. */
const NOBODY = '02:00:00:00:00:00';

/** Whether a cluster can run here, and if not, why. */
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

/** Starts a cluster, and waits until each member serves and changes at one reach the others. */
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
    get pid() {
      return server.pid;
    },
    signal: (signal: NodeJS.Signals) => void process.kill(server.pid, signal),
  }));
  return { members: members as unknown as NacosCluster['members'], addresses: addresses.join(','), host: network.host, stop };
}

/** Waits until a config written at one member is at all: then raft has a leader, and each member can forward to it. */
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

/** A bridge, and a namespace for each member. Names begin with the id of the process that made them. */
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
    // The kernel removes a link with its namespace, but late.
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

/** Removes leftovers of killed processes. Their JVMs end by themselves when their standard input ends. */
function removeLeftovers(): void {
  const namespaces = tryIp('netns list').matchAll(/^(ln(\d+)-\d)\b/gm);
  for (const [, name, pid] of namespaces) if (!isRunning(Number(pid))) tryIp(`netns del ${name}`);
  for (const [, name, pid] of tryIp('-br link').matchAll(/^(ln(\d+)(?:v\d)?)\b/gm)) if (!isRunning(Number(pid))) tryIp(`link del ${name}`);
}

/** From the range for network benchmarks, RFC 2544: 198.18.0.0/15. */
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
