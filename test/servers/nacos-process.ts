/** A Nacos process, from its folder and start to its end: a standalone server or a member of a cluster. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pause } from './lock.js';
import { isNacos3, classPath, javaTool, RealNacosError, type RealNacosVersion } from './nacos-installation.js';

/** Options of a server. */
export interface NacosProcessOptions {
  readonly version: RealNacosVersion;
  /** The folder from `prepare`. */
  readonly installation: string;
  readonly host: string;
  /** The HTTP port; gRPC takes port + 1000 and + 1001, raft takes port - 1000. */
  readonly port: number;
  /** The members of its cluster, `host:port`; undefined: standalone. */
  readonly members?: readonly string[];
  /** The command that runs Java, with its first arguments. */
  readonly runBy?: readonly string[];
  /** Turns authentication on, with this administrator. */
  readonly auth?: { username: string; password: string } | undefined;
  /** The longest time for a start, in milliseconds. */
  readonly startTimeoutMs: number;
  /** Gets a line for each step worth telling. */
  log(line: string): void;
}

/** A graceful shutdown takes five seconds. */
const shutdownTimeoutMs = 20_000;
const readyLine = 'RealNacos is ready';

/** Another process took a port: try other ports. */
export class PortTakenError extends RealNacosError {
  constructor(message: string) {
    super('ELANE_NACOS_PORT', message);
  }
}

/** A server with its own data folder. */
export class NacosProcess {
  /** `host:port`, as both SDKs take it. */
  readonly address: string;
  readonly #options: NacosProcessOptions;
  readonly #name: string;
  readonly #home: string;
  #child: ChildProcess | undefined;

  constructor(options: NacosProcessOptions) {
    const { version, host, port } = options;
    this.#options = options;
    this.address = `${host}:${port}`;
    this.#name = `Nacos ${version} on ${this.address}`;
    this.#home = mkdtempSync(join(tmpdir(), `lane-nacos-${version}-`));
    removeAtExit.add(this.#home);
    for (const folder of ['conf', 'tmp']) mkdirSync(join(this.#home, folder));
    writeFileSync(join(this.#home, 'conf/application.properties'), this.#properties());
    if (options.members !== undefined) writeFileSync(join(this.#home, 'conf/cluster.conf'), `${options.members.join('\n')}\n`);
  }

  /** Process id of the JVM; changes with each start. */
  get pid(): number {
    if (this.#child?.pid === undefined) throw new RealNacosError('ELANE_NACOS_START', `${this.#name} is not running: restart() it`);
    return this.#child.pid;
  }

  /** Starts it with its data; resolves once it serves. */
  async start(): Promise<void> {
    const { auth, runBy = [], startTimeoutMs } = this.#options;
    const startedAt = Date.now();
    const [command, ...args] = [...runBy, javaTool('java') ?? 'java', ...this.#arguments()] as [string, ...string[]];
    const child = spawn(command, args, {
      cwd: this.#home,
      // Standard input stays open and silent: its end tells the JVM that this process is gone.
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {
        ...process.env,
        HOME: this.#home,
        ...(auth && { REAL_NACOS_USERNAME: auth.username, REAL_NACOS_PASSWORD: auth.password }),
      },
    });
    this.#child = child;
    endAtExit.add(child);
    const lastLines: string[] = [];
    let ready = false;
    for (const stream of [child.stdout, child.stderr]) {
      forEachLine(stream as NodeJS.ReadableStream, (line) => {
        if (line.trim() === '') return;
        ready ||= line.startsWith(readyLine);
        lastLines.push(line);
        if (lastLines.length > 25) lastLines.shift();
      });
    }
    // A JVM that has ended breaks the pipe; its exit code tells why, not this error.
    child.stdin?.on('error', () => {});
    let ended: string | undefined;
    const onEnd = (how: string): void => {
      ended = how;
      endAtExit.delete(child);
      if (this.#child === child) this.#child = undefined;
    };
    child.once('error', (error) => onEnd(error.message));
    child.once('exit', (code, signal) => onEnd(signal === null ? `exit code ${code}` : `signal ${signal}`));

    const deadline = startedAt + startTimeoutMs;
    while (!(ready && (await this.#serves()))) {
      const log = lastLines.join('\n');
      if (ended !== undefined) {
        if (/Address already in use|BindException|Failed to bind|port \d+ was already in use/i.test(log)) {
          throw new PortTakenError(`a port of ${this.address} was taken meanwhile`);
        }
        throw new RealNacosError('ELANE_NACOS_START', `${this.#name} ended while starting (${ended}). Its last lines:\n${log}`);
      }
      if (Date.now() > deadline) {
        throw new RealNacosError('ELANE_NACOS_START', `${this.#name} was not up within ${startTimeoutMs} ms. Its last lines:\n${log}`);
      }
      await pause(50);
    }
    this.#options.log(`${this.#name} serves after ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
  }

  /** Kills it and removes its data: nothing needs to be kept. */
  async stop(): Promise<void> {
    await this.#end('SIGKILL');
    rmSync(this.#home, { recursive: true, force: true, maxRetries: 3 });
    removeAtExit.delete(this.#home);
  }

  /** Kills it (SIGKILL), like a crash; keeps its data. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Shuts it down if it runs; keeps its data. */
  async shutDown(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Shuts it down if it runs, and starts it again with the same data. */
  async restart(): Promise<void> {
    await this.shutDown();
    await this.start();
  }

  /**
   * Writes a config and removes it. Derby reserves a range of keys with the first row of a table, and fails concurrent inserts
   * ("A lock could not be obtained"). Makes the range large enough to last.
   */
  async reserveKeys(): Promise<void> {
    const [path, group] = isNacos3(this.#options.version) ? ['v3/admin/cs/config', 'groupName'] : ['v1/cs/configs', 'group'];
    const query = new URLSearchParams({ dataId: 'first', [group]: 'FIRST', content: 'first', ...this.#options.auth });
    for (const method of ['POST', 'DELETE']) {
      const response = await fetch(`http://${this.address}/nacos/${path}?${query}`, { method });
      const body = await response.text();
      if (!response.ok) throw new RealNacosError('ELANE_NACOS_START', `${this.#name} stores no config: ${body}`);
    }
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const exited = new Promise<void>((done) => child.once('exit', () => done()));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), shutdownTimeoutMs);
    await exited;
    clearTimeout(timer);
  }

  /** Whether it is UP and, with authentication, whether the administrator can log in (the server caches users after the start). */
  async #serves(): Promise<boolean> {
    try {
      const metrics = await fetch(`http://${this.address}/nacos/v1/ns/operator/metrics?onlyStatus=true`);
      if (!(await metrics.text()).includes('"UP"')) return false;
      if (this.#options.auth === undefined) return true;
      const login = await fetch(`http://${this.address}/nacos/v1/auth/login`, {
        method: 'POST',
        body: new URLSearchParams(this.#options.auth),
      });
      await login.text();
      return login.ok;
    } catch {
      return false;
    }
  }

  #properties(): string {
    const { port, host, auth } = this.#options;
    return [
      'server.servlet.contextPath=/nacos',
      `server.port=${port}`,
      // The same by their names in Nacos 3.
      `nacos.server.main.port=${port}`,
      'nacos.core.auth.admin.enabled=false',
      `server.address=${host}`,
      `server.tomcat.basedir=${join(this.#home, 'tomcat')}`,
      'spring.main.allow-bean-definition-overriding=true',
      // The first connection to Derby loads it: on a busy machine that takes longer than Nacos' 3 s.
      'db.pool.config.connectionTimeout=60000',
      'nacos.core.auth.system.type=nacos',
      `nacos.core.auth.enabled=${auth !== undefined}`,
      `nacos.core.auth.plugin.nacos.token.secret.key=${Buffer.from('a secret of these tests, 32 bytes or more').toString('base64')}`,
      'nacos.core.auth.server.identity.key=lane-test',
      'nacos.core.auth.server.identity.value=lane-test',
      // Push changes after 20 ms instead of collecting them for 500 ms.
      'nacos.naming.push.pushTaskDelay=20',
      '',
    ].join('\n');
  }

  #arguments(): string[] {
    const { members, host, installation } = this.#options;
    const opened = ['java.lang', 'java.util', 'java.lang.reflect', 'java.util.concurrent.atomic'];
    return [
      '-Xmx384m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      `-Djava.io.tmpdir=${join(this.#home, 'tmp')}`,
      `-Duser.home=${this.#home}`,
      '-Dderby.language.sequence.preallocator=100000',
      // Keep a cluster's configs in each member's Derby, replicated by raft, instead of in one MySQL.
      ...(members === undefined ? ['-Dnacos.standalone=true'] : ['-Dnacos.standalone=false', '-DembeddedStorage=true']),
      `-Dnacos.home=${this.#home}`,
      `-Dnacos.server.ip=${host}`,
      `-Dspring.config.additional-location=file:${join(this.#home, 'conf')}/`,
      ...opened.flatMap((name) => ['--add-opens', `java.base/${name}=ALL-UNNAMED`]),
      '-cp',
      classPath(installation),
      'com.alibaba.nacos.RealNacos',
    ];
  }
}

// The JVM notices by itself when this process is killed; these are for an orderly end.
const endAtExit = new Set<ChildProcess>();
const removeAtExit = new Set<string>();
process.once('exit', () => {
  for (const child of endAtExit) child.kill('SIGKILL');
  for (const folder of removeAtExit) rmSync(folder, { recursive: true, force: true });
});

function forEachLine(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
}
