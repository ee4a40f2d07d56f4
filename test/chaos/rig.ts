/**
 * The rig for faults: services A → B → C as separate processes under the agent, base and gray, with one Nacos that misbehaves
 * on command. Sends requests at a constant rate, whatever happens to earlier ones, and checks the trail of each answer.
 */
import http from 'node:http';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManagedProcess } from '@lane/cli';
import { freePort } from '@lane/testing/ports';
import { CREDENTIALS, publish, startBehind, type NacosBehind, type NacosDocument, type NacosKind } from './behind.js';
import { startFaultyServers, type FaultyServers } from './faulty-nacos.js';

/** Options of the rig. */
export interface RigOptions {
  /** Requests per second. */
  readonly rate: number;
  /** How much faster than Nacos' 5, 15 and 30 s heartbeats, and what depends on them, run; also shortens faults. */
  readonly speed: number;
  /** The speed of heartbeats instead, so that a busy machine does not make instances look dead. */
  readonly beatSpeed?: number;
  /** LANE_REGISTRY_HOLD of all processes at speed 1, in seconds. Default: as for Nacos. */
  readonly holdS?: number;
  /** The kind of Nacos. Default: embedded. */
  readonly nacos?: NacosKind;
  /** Whether Nacos requires a password; a cluster never does. */
  readonly auth?: boolean;
  /** Whether the clock of the services and the gateway can be set; needs libfaketime. */
  readonly ownClocks?: boolean;
}

/** What happened to the requests around a fault. */
export interface Measured {
  readonly requests: number;
  readonly wrong: number;
  readonly failed: number;
  /** Seconds from the start of the fault to the last wrong or failed answer; 0 if there was none. */
  readonly untilRightS: number;
  /** Wrong or failed answers by entry and way of discovery. */
  readonly by: Readonly<Record<string, number>>;
  /** The same by their text. */
  readonly said: Readonly<Record<string, number>>;
  /** Calls to Nacos and pushes from it that the fault affected; 0 for a fault of instances. */
  readonly met: number;
  /** A wrong or failed answer. */
  readonly example: string | undefined;
}

type Outcomes = Omit<Measured, 'met'>;

/** A fault that the rig can inject. */
export interface RigFault {
  /** Services whose base may serve a tagged request during the fault, because no gray instance is left. */
  readonly mayFallBack?: readonly string[];
  /** How long it lasts, in seconds at speed 1. */
  readonly seconds: number;
  /** What it requires of the rig or its Nacos. Default: nothing. */
  readonly needs?: 'a cluster' | 'one server' | 'a password' | 'clocks that can be set';
  begin(rig: Rig, holdS: number): void | Promise<void>;
  end?(rig: Rig): void | Promise<void>;
  /** Undoes the effects of the fault after the measurement. */
  after?(rig: Rig): void | Promise<void>;
}

const AGENT = require.resolve('@lane/agent');
const LANE = require.resolve('@lane/cli').replace(/index\.js$/, 'main.js');
const app = (name: string): string => join(__dirname, 'apps', name);
/** Where Debian and its derivatives install libfaketime. Java bypasses it, so we cannot set the clock of a real Nacos. */
const FAKETIME = ['x86_64-linux-gnu/', 'aarch64-linux-gnu/', '']
  .map((one) => `/usr/lib/${one}faketime/libfaketimeMT.so.1`)
  .find((file) => existsSync(file));
const WAYS = ['/select', '/cached', '/name'] as const;
const TAGGED = { baggage: 'lane=gray' };
/** How long all answers must be right before the rig counts as right again. */
const QUIET_S = 3;
const REQUEST_TIMEOUT_MS = 7_000;

/** The hold, sped up like the heartbeats. */
const hold = ({ speed, beatSpeed = speed, holdS = 40 }: RigOptions): string => `${Math.round((holdS * 1_000) / beatSpeed)}ms`;

function laneGroups(...users: readonly string[]): string {
  return JSON.stringify({
    version: 1,
    groups: [
      {
        name: 'chaos',
        services: ['A', 'B', 'C'].map((letter) => `service-${letter.toLowerCase()}`),
        entry: { services: ['service-a', 'lane-gateway'] },
        lanes: [{ name: 'gray', tag: 'gray', rules: users.map((user) => ({ name: user, match: { header: 'x-user', exact: user } })) }],
      },
    ],
  });
}

const document = (...users: readonly string[]): NacosDocument => ({ dataId: 'lane-groups', group: 'LANE', content: laneGroups(...users) });

/** An instance of a service; it keeps its address. */
export interface RigInstance {
  readonly letter: string;
  readonly lane: 'base' | 'gray';
  readonly port: number;
  process: ManagedProcess;
}

interface Entry {
  readonly name: string;
  readonly port: () => number;
  readonly headers: Record<string, string>;
  readonly lanes: readonly [a: string, b: string, c: string];
}

/** The running rig. */
export class Rig {
  readonly instances: RigInstance[] = [];
  readonly nacos: FaultyServers;
  /** The servers themselves. */
  readonly behind: NacosBehind;
  /** The users that the lane's rule matches. */
  user = 'alice';
  readonly #options: RigOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), 'lane-chaos-'));
  readonly #http = new http.Agent({ keepAlive: true });
  #gateway: ManagedProcess | undefined;
  #gatewayPort = 0;

  private constructor(options: RigOptions, behind: NacosBehind, nacos: FaultyServers) {
    this.#options = options;
    this.behind = behind;
    this.nacos = nacos;
  }

  static async start(options: RigOptions): Promise<Rig> {
    const behind = await startBehind(options.nacos ?? 'embedded', [document('alice')], options.auth === true);
    const cacheMillis = options.speed === 1 ? undefined : Math.round(10_000 / options.speed);
    const rig = new Rig(options, behind, await startFaultyServers(behind.addresses, cacheMillis, behind.clientHost));
    try {
      await rig.#startAll();
    } catch (error) {
      await rig.close();
      throw error;
    }
    return rig;
  }

  /** How much faster than Nacos' own times everything runs. */
  get speed(): number {
    return this.#options.speed;
  }

  /** The instances of a service in a lane, in order of their start. */
  of(letter: string, lane: 'base' | 'gray'): RigInstance[] {
    return this.instances.filter((one) => one.letter === letter && one.lane === lane);
  }

  /** Starts another instance; resolves when it is registered. */
  async add(letter: string, lane: 'base' | 'gray', env: Record<string, string> = {}): Promise<void> {
    const port = await freePort();
    const instance = { letter, lane, port, process: this.#spawn(letter, lane, port, env) };
    this.instances.push(instance);
    await instance.process.message();
  }

  /** Stops the instance that was added last. */
  async removeLast(): Promise<void> {
    await this.instances.pop()?.process.stop();
  }

  /** Starts an instance at its address; resolves when it is registered. `as`: a new service or lane for it. */
  async startAt(instance: RigInstance, as: { letter?: string; lane?: 'base' | 'gray' } = {}, env: Record<string, string> = {}): Promise<void> {
    instance.process = this.#spawn(as.letter ?? instance.letter, as.lane ?? instance.lane, instance.port, env);
    await instance.process.message();
  }

  /** Kills Nacos, like a crash; all members of a cluster at once. */
  async killNacos(): Promise<void> {
    await this.nacos.down();
    await this.behind.kill();
  }

  /** Starts it again, with its documents or with nothing. Instances are lost either way: Nacos keeps them in memory. */
  async startNacos(documents: 'kept' | 'wiped' = 'kept'): Promise<void> {
    await this.behind.start(documents);
    await this.nacos.up(this.behind.addresses);
  }

  /** Sends a signal to Nacos. */
  signalNacos(signal: NodeJS.Signals): void {
    this.behind.signal(signal);
  }

  /** Publishes the lane groups, as their owner would after a loss; the lane is for these users. */
  async publishDocument(...users: readonly string[]): Promise<void> {
    await publish(this.behind, document(...(users.length === 0 ? ['alice'] : users)));
  }

  /** Sets the clocks of the services and the gateway this many seconds ahead of the machine's, or behind; takes effect within a second. */
  setClocks(seconds: number): void {
    writeFileSync(join(this.#folder, 'clock'), `${seconds < 0 ? '' : '+'}${seconds}`);
  }

  /** Whether this rig can inject a fault. */
  canCarryOut({ needs }: RigFault): boolean {
    const isCluster = this.behind.members.length > 0;
    if (needs === 'a cluster') return isCluster;
    if (needs === 'clocks that can be set') return this.#options.ownClocks === true && FAKETIME !== undefined;
    return needs === 'one server' ? !isCluster : needs === undefined || this.behind.hasAuth;
  }

  /** Waits, under load, until each entry and way of discovery has been right for a while. */
  async untilRight(timeoutS = 60): Promise<void> {
    const deadline = Date.now() + timeoutS * 1_000;
    for (let quiet = 0; quiet < QUIET_S;) {
      const { wrong, failed, example } = await this.#load(1, []);
      quiet = wrong + failed === 0 ? quiet + 1 : 0;
      if (Date.now() > deadline) throw new Error(`the rig is not right without a fault: ${example}`);
    }
  }

  /** Injects a fault under load, and measures. */
  async measure(fault: RigFault, seconds = fault.seconds / this.#options.speed): Promise<Measured> {
    const load = new Load(this.#options.rate, (index) => this.#ask(index, fault.mayFallBack ?? []));
    const startedAt = performance.now();
    await Promise.resolve(fault.begin(this, seconds));
    await pause(Math.max(0, seconds * 1_000 - (performance.now() - startedAt)));
    const { met } = this.nacos;
    await fault.end?.(this);
    // Wait for late effects, as long as Nacos takes to remove an instance without heartbeats; then until all is right.
    const endedAt = performance.now();
    const settleMs = (QUIET_S + 30 / this.#options.speed) * 1_000;
    const giveUpAt = endedAt + settleMs + (60 / this.#options.speed) * 1_000;
    while (performance.now() < giveUpAt) {
      await pause(250);
      const last = load.lastBadAt;
      if (performance.now() > Math.max(endedAt + settleMs, last + QUIET_S * 1_000)) break;
    }
    const outcomes = await load.stop(startedAt);
    await fault.after?.(this);
    return { ...outcomes, met };
  }

  async close(): Promise<void> {
    await this.nacos.close();
    for (const { process: one } of this.instances) await one.kill();
    await this.#gateway?.kill();
    await this.behind.stop();
    this.#http.destroy();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }

  async #startAll(): Promise<void> {
    this.setClocks(0);
    for (const [letter, replicas] of [
      ['C', 1],
      ['B', 2],
      ['A', 1],
    ] as const) {
      const started = (['base', 'gray'] as const).flatMap((lane) => Array.from({ length: replicas }, () => this.add(letter, lane)));
      await Promise.all(started);
    }
    this.#gateway = new ManagedProcess({
      name: 'gateway',
      script: LANE,
      args: [
        'gateway',
        '--port',
        '0',
        '--nacos',
        this.nacos.address,
        '--entry',
        'rules',
        '--route',
        '*=service-a',
        '--registry-hold',
        hold(this.#options),
      ],
      env: { ...this.#credentials(), ...this.#clock() },
    });
    this.#gatewayPort = (await this.#gateway.message<{ port: number }>()).port;
  }

  async #load(seconds: number, mayFallBack: readonly string[]): Promise<Outcomes> {
    const load = new Load(this.#options.rate, (index) => this.#ask(index, mayFallBack));
    await pause(seconds * 1_000);
    return load.stop(0);
  }

  #spawn(letter: string, lane: 'base' | 'gray', port: number, env: Record<string, string>): ManagedProcess {
    const { speed, beatSpeed = speed } = this.#options;
    const next = { A: 'service-b', B: 'service-c', C: undefined }[letter];
    const beats = {
      'preserved.heart.beat.interval': String(Math.round(5_000 / beatSpeed)),
      'preserved.heart.beat.timeout': String(Math.round(15_000 / beatSpeed)),
      'preserved.ip.delete.timeout': String(Math.round(30_000 / beatSpeed)),
    };
    return new ManagedProcess({
      name: `${letter}.${lane}`,
      script: app('shop.cjs'),
      preload: [AGENT],
      env: {
        NAME: `${letter}.${lane}`,
        SERVICE: `service-${letter.toLowerCase()}`,
        PORT: String(port),
        SERVER: this.nacos.address,
        LANE_NACOS_SERVER: this.nacos.address,
        LANE_SERVICES: 'service-a,service-b,service-c',
        ...this.#credentials(),
        ...this.#clock(),
        LANE_LOG: 'silent',
        LANE_REGISTRY_HOLD: hold(this.#options),
        LANE_SNAPSHOT_DIR: join(this.#folder, String(port)),
        ...(lane === 'gray' ? { LANE_TAG: 'gray' } : {}),
        ...(next === undefined ? {} : { NEXT: next, PEERS: '1' }),
        ...(beatSpeed === 1 ? {} : { BEATS: JSON.stringify(beats) }),
        ...env,
      },
    });
  }

  #credentials(): Record<string, string> {
    if (!this.behind.hasAuth) return {};
    return {
      LANE_NACOS_USERNAME: CREDENTIALS.username,
      LANE_NACOS_PASSWORD: CREDENTIALS.password,
      CREDENTIALS: JSON.stringify(CREDENTIALS),
    };
  }

  #clock(): Record<string, string> {
    if (this.#options.ownClocks !== true || FAKETIME === undefined) return {};
    return {
      LD_PRELOAD: FAKETIME,
      FAKETIME_TIMESTAMP_FILE: join(this.#folder, 'clock'),
      FAKETIME_CACHE_DURATION: '1',
      // The monotonic clock must not go back.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
  }

  #entries(): Entry[] {
    const a = (lane: 'base' | 'gray') => (): number => this.of('A', lane)[0]!.port;
    const gateway = (): number => this.#gatewayPort;
    const base = ['base', 'base', 'base'] as const;
    const gray = ['gray', 'gray', 'gray'] as const;
    return [
      { name: 'untagged', port: a('base'), headers: {}, lanes: base },
      { name: 'tagged', port: a('gray'), headers: TAGGED, lanes: gray },
      { name: 'by rule', port: a('base'), headers: { 'x-user': this.user }, lanes: ['base', 'gray', 'gray'] },
      { name: 'gateway, untagged', port: gateway, headers: {}, lanes: base },
      { name: 'gateway, by rule', port: gateway, headers: { 'x-user': this.user }, lanes: gray },
    ];
  }

  async #ask(index: number, mayFallBack: readonly string[]): Promise<Outcome> {
    const entries = this.#entries();
    const entry = entries[index % entries.length] as Entry;
    const way = WAYS[Math.floor(index / entries.length) % WAYS.length] as string;
    const name = `${entry.name} ${way}`;
    const sentAt = performance.now();
    const { status, body } = await this.#get(entry.port(), way, entry.headers);
    if (status !== 200) return { name, sentAt, kind: 'failed', said: `${name}: ${status} ${body}` };
    const hops = body.split(' ');
    const isRight =
      hops.length === 3 &&
      ['A', 'B', 'C'].every(
        (letter, i) => hops[i] === `${letter}.${entry.lanes[i]}` || (mayFallBack.includes(letter) && hops[i] === `${letter}.base`),
      );
    return { name, sentAt, kind: isRight ? 'right' : 'wrong', said: `${name}: ${body}` };
  }

  #get(port: number, path: string, headers: Record<string, string>): Promise<{ status: number; body: string }> {
    return new Promise((resolve) => {
      const fail = (error: Error): void => resolve({ status: 0, body: error.message });
      const request = http.get({ host: '127.0.0.1', port, path, agent: this.#http, headers, timeout: REQUEST_TIMEOUT_MS }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body })).on('error', fail);
      });
      request.on('timeout', () => request.destroy(new Error('no answer in time'))).on('error', fail);
    });
  }
}

interface Outcome {
  readonly name: string;
  readonly sentAt: number;
  readonly kind: 'right' | 'wrong' | 'failed';
  readonly said: string;
}

/** Sends requests at a constant rate: an open loop, which does not wait for answers. */
class Load {
  lastBadAt = 0;
  readonly #pending = new Set<Promise<void>>();
  readonly #outcomes = { right: 0, wrong: 0, failed: 0 };
  readonly #by: Record<string, number> = {};
  readonly #said: Record<string, number> = {};
  readonly #timer: NodeJS.Timeout;
  #example: string | undefined;
  #sent = 0;

  constructor(rate: number, ask: (index: number) => Promise<Outcome>) {
    const startedAt = performance.now();
    this.#timer = setInterval(() => {
      // Timers are late on a busy machine; send everything that is due.
      for (const due = ((performance.now() - startedAt) / 1_000) * rate; this.#sent < due;) this.#send(ask(this.#sent++));
    }, 5);
  }

  async stop(since: number): Promise<Outcomes> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
    const { wrong, failed } = this.#outcomes;
    const untilRightS = wrong + failed === 0 ? 0 : Math.max(0, Math.round((this.lastBadAt - since) / 100) / 10);
    return { requests: this.#sent, wrong, failed, untilRightS, by: this.#by, said: this.#said, example: this.#example };
  }

  #send(asked: Promise<Outcome>): void {
    const pending = asked.then(({ name, sentAt, kind, said }) => {
      this.#pending.delete(pending);
      this.#outcomes[kind]++;
      if (kind === 'right') return;
      this.lastBadAt = Math.max(this.lastBadAt, sentAt);
      this.#by[name] = (this.#by[name] ?? 0) + 1;
      const answer = said.slice(name.length + 2);
      this.#said[answer] = (this.#said[answer] ?? 0) + 1;
      this.#example ??= said;
    });
    this.#pending.add(pending);
  }
}

/** Resolves after this many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
