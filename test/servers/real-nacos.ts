/**
 * Real Nacos servers: the official modules from Maven Central, run by a Java 17 or later found on this machine.
 * Limits: the gRPC and raft ports (P + 1000, P + 1001, P - 1000) bind all interfaces, HTTP binds loopback only; there is no console.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

/** The Nacos versions tests run against: 2.1.1 is the nearest to the scenario's 2.1.2 that Maven Central carries. */
export const realNacosVersions = ['2.1.1', '2.2.4'] as const;
export type RealNacosVersion = (typeof realNacosVersions)[number];

export interface RealNacosOptions {
  version: RealNacosVersion;
  /** The HTTP port; gRPC takes port + 1000 and + 1001, raft takes port - 1000. Default: a free one. */
  port?: number;
  /** Turns authentication on, with this administrator. */
  auth?: { username: string; password: string };
  /** Gets a line for each step worth telling. */
  log?(line: string): void;
}

/** A running server of its own data folder. */
export interface RealNacos {
  readonly version: RealNacosVersion;
  readonly host: string;
  readonly port: number;
  /** `host:port`, as both SDKs take it. */
  readonly address: string;
  readonly grpc: true;
  /** Process id of the JVM, another one after restart(). */
  readonly pid: number;
  /** Ends the server and removes its data; at once, since nothing of it is kept. */
  stop(): Promise<void>;
  /** Ends the server as a crash would (SIGKILL); restart() starts it again. */
  kill(): Promise<void>;
  /** Shuts the server down if it runs, and starts it again on the same port with the same data. */
  restart(): Promise<void>;
}

export interface RealNacosAvailability {
  available: boolean;
  /** What is missing, in one line. */
  reason?: string;
}

const host = '127.0.0.1';
const recipeFolder = join(__dirname, 'real-nacos');
const cacheFolder = resolve(__dirname, '../../.cache/nacos');
const startTimeoutMs = 120_000;
/** A graceful shutdown takes five seconds. */
const shutdownTimeoutMs = 20_000;
const readyLine = 'RealNacos is ready';

/** Tells whether real servers can run here, and if not, why; looks at PATH and JAVA_HOME only, downloads nothing. */
export function realNacosAvailability(): RealNacosAvailability {
  if (process.env['TEST_SCOPE'] === 'quick') return { available: false, reason: '`npm test -- --all` starts them' };
  const java = javaTool('java');
  if (java === undefined) return { available: false, reason: 'no Java: put a JDK 17 or later on the PATH' };
  const { stderr } = spawnSync(java, ['-version'], { encoding: 'utf8' });
  const major = Number(/version "(\d+)/.exec(stderr ?? '')?.[1] ?? 0);
  if (major < 17) {
    return { available: false, reason: `Java ${major || '(unknown version)'} is too old: put a JDK 17 or later on the PATH` };
  }
  if (realNacosVersions.every(isPrepared)) return { available: true };
  if (javaTool('javac') === undefined) {
    return { available: false, reason: 'no javac beside java: put a JDK 17 or later, not a JRE, on the PATH' };
  }
  if (executable('mvn') === undefined) {
    return { available: false, reason: 'no Maven: put mvn on the PATH, it downloads the servers once' };
  }
  return { available: true };
}

/** Starts a server and waits until it serves; downloads it first where that has not been done. */
export async function startRealNacos(options: RealNacosOptions): Promise<RealNacos> {
  const { version, auth, log = () => {} } = options;
  const { available, reason } = realNacosAvailability();
  if (!available) throw new RealNacosError('ELANE_NACOS_UNAVAILABLE', `Nacos ${version} cannot run here: ${reason}`);
  const installation = await prepare(version, log);

  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await reservePorts());
    const server = new Server(version, port, installation, auth, log);
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.stop();
      // Another process may have taken one of the four ports since they were looked at.
      if (options.port !== undefined || attempt === 5 || !(error instanceof PortTakenError)) throw error;
      log(`Nacos ${version}: ${error.message}; trying other ports`);
    }
  }
}

/** Why a real server could not be had; `code` is ELANE_NACOS_UNAVAILABLE, …_PREPARE, …_START or …_PORT. */
export class RealNacosError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = 'RealNacosError';
  }
}

class PortTakenError extends RealNacosError {
  constructor(message: string) {
    super('ELANE_NACOS_PORT', message);
  }
}

class Server implements RealNacos {
  readonly host = host;
  readonly grpc = true;
  readonly address: string;
  readonly #home: string;
  #child: ChildProcess | undefined;

  constructor(
    readonly version: RealNacosVersion,
    readonly port: number,
    readonly installation: string,
    readonly auth: RealNacosOptions['auth'],
    readonly log: (line: string) => void,
  ) {
    this.address = `${host}:${port}`;
    this.#home = mkdtempSync(join(tmpdir(), `lane-nacos-${version}-`));
    removeAtExit.add(this.#home);
    for (const folder of ['conf', 'tmp']) mkdirSync(join(this.#home, folder));
    writeFileSync(join(this.#home, 'conf/application.properties'), this.#properties());
  }

  get pid(): number {
    if (this.#child?.pid === undefined) {
      throw new RealNacosError('ELANE_NACOS_START', `Nacos ${this.version} on ${this.address} is not running: restart() it`);
    }
    return this.#child.pid;
  }

  async start(): Promise<void> {
    const startedAt = Date.now();
    const child = spawn(javaTool('java') ?? 'java', this.#arguments(), {
      cwd: this.#home,
      // Standard input stays open and silent: its end tells the JVM that this process is gone.
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {
        ...process.env,
        HOME: this.#home,
        ...(this.auth && { REAL_NACOS_USERNAME: this.auth.username, REAL_NACOS_PASSWORD: this.auth.password }),
      },
    });
    this.#child = child;
    endAtExit.add(child);
    const lastLines: string[] = [];
    let ready = false;
    for (const stream of [child.stdout, child.stderr]) {
      forEachLine(stream, (line) => {
        if (line.trim() === '') return;
        ready ||= line.startsWith(readyLine);
        lastLines.push(line);
        if (lastLines.length > 25) lastLines.shift();
      });
    }
    // A JVM that is gone breaks the pipe; the exit code tells, not this.
    child.stdin.on('error', () => {});
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
        throw new RealNacosError(
          'ELANE_NACOS_START',
          `Nacos ${this.version} on ${this.address} ended while starting (${ended}). Its last lines:\n${log}`,
        );
      }
      if (Date.now() > deadline) {
        throw new RealNacosError(
          'ELANE_NACOS_START',
          `Nacos ${this.version} on ${this.address} was not up within ${startTimeoutMs} ms. Its last lines:\n${log}`,
        );
      }
      await pause(50);
    }
    await this.#reserveKeys();
    this.log(`Nacos ${this.version} serves on ${this.address} after ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
  }

  async stop(): Promise<void> {
    await this.#end('SIGKILL');
    rmSync(this.#home, { recursive: true, force: true, maxRetries: 3 });
    removeAtExit.delete(this.#home);
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.#end('SIGTERM');
    await this.start();
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

  /** UP, and with authentication also: the administrator can log in (users are read into a cache after the start). */
  async #serves(): Promise<boolean> {
    try {
      const metrics = await fetch(`http://${this.address}/nacos/v1/ns/operator/metrics?onlyStatus=true`);
      if (!(await metrics.text()).includes('"UP"')) return false;
      if (this.auth === undefined) return true;
      const login = await fetch(`http://${this.address}/nacos/v1/auth/login`, {
        method: 'POST',
        body: new URLSearchParams(this.auth),
      });
      await login.text();
      return login.ok;
    } catch {
      return false;
    }
  }

  /**
   * Writes a config and removes it. Derby reserves a range of keys with the first row of a table, and fails other inserts that come
   * at that moment ("A lock could not be obtained"); the range is made large enough to last.
   */
  async #reserveKeys(): Promise<void> {
    const query = new URLSearchParams({ dataId: 'first', group: 'FIRST', content: 'first', ...this.auth });
    for (const method of ['POST', 'DELETE']) {
      const response = await fetch(`http://${this.address}/nacos/v1/cs/configs?${query}`, { method });
      const body = await response.text();
      if (!response.ok) throw new RealNacosError('ELANE_NACOS_START', `Nacos ${this.version} on ${this.address} stores no config: ${body}`);
    }
  }

  #properties(): string {
    return [
      'server.servlet.contextPath=/nacos',
      `server.port=${this.port}`,
      `server.address=${host}`,
      `server.tomcat.basedir=${join(this.#home, 'tomcat')}`,
      'spring.main.allow-bean-definition-overriding=true',
      'nacos.core.auth.system.type=nacos',
      `nacos.core.auth.enabled=${this.auth !== undefined}`,
      `nacos.core.auth.plugin.nacos.token.secret.key=${Buffer.from('a secret of these tests, 32 bytes or more').toString('base64')}`,
      'nacos.core.auth.server.identity.key=lane-test',
      'nacos.core.auth.server.identity.value=lane-test',
      // Changes are pushed after 20 ms instead of being gathered for 500 ms.
      'nacos.naming.push.pushTaskDelay=20',
      '',
    ].join('\n');
  }

  #arguments(): string[] {
    const opened = ['java.lang', 'java.util', 'java.lang.reflect', 'java.util.concurrent.atomic'];
    return [
      '-Xmx384m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      `-Djava.io.tmpdir=${join(this.#home, 'tmp')}`,
      `-Duser.home=${this.#home}`,
      '-Dderby.language.sequence.preallocator=100000',
      '-Dnacos.standalone=true',
      `-Dnacos.home=${this.#home}`,
      `-Dnacos.server.ip=${host}`,
      `-Dspring.config.additional-location=file:${join(this.#home, 'conf')}/`,
      ...opened.flatMap((name) => ['--add-opens', `java.base/${name}=ALL-UNNAMED`]),
      '-cp',
      classPath(this.installation),
      'com.alibaba.nacos.RealNacos',
    ];
  }
}

// The JVM notices by itself when this process is killed; these see to an orderly end.
const endAtExit = new Set<ChildProcess>();
const removeAtExit = new Set<string>();
process.once('exit', () => {
  for (const child of endAtExit) child.kill('SIGKILL');
  for (const folder of removeAtExit) rmSync(folder, { recursive: true, force: true });
});

const preparing = new Map<RealNacosVersion, Promise<string>>();

/** The folder of jars and classes of `version`, made on first use; one process at a time makes it, the others wait. */
function prepare(version: RealNacosVersion, log: (line: string) => void): Promise<string> {
  let promise = preparing.get(version);
  if (promise === undefined) {
    promise = prepareOnce(version, log);
    preparing.set(version, promise);
    promise.catch(() => preparing.delete(version));
  }
  return promise;
}

async function prepareOnce(version: RealNacosVersion, log: (line: string) => void): Promise<string> {
  if (isPrepared(version)) return installationFolder(version);
  const unlock = await lock(version, log);
  try {
    if (isPrepared(version)) return installationFolder(version);
    log(`Nacos ${version}: fetching it from Maven Central (130 MB, done once)`);
    const startedAt = Date.now();
    const unfinished = mkdtempSync(join(cacheFolder, `${version}-unfinished-`));
    try {
      for (const file of readdirSync(recipeFolder)) cpSync(join(recipeFolder, file), join(unfinished, file));
      await run('mvn', [
        ...['-B', '-q', '--no-transfer-progress', '-f', join(unfinished, 'pom.xml')],
        `-Dnacos.version=${version}`,
        'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies',
        ...['-DincludeScope=runtime', `-DoutputDirectory=${join(unfinished, 'lib')}`],
      ]);
      await run(javaTool('javac') ?? 'javac', [
        ...['-nowarn', '-proc:none', '-d', join(unfinished, 'classes'), '-cp', classPath(unfinished)],
        join(unfinished, 'RealNacos.java'),
      ]);
      writeFileSync(join(unfinished, 'recipe'), recipeDigest());
      if (!isPrepared(version)) {
        rmSync(installationFolder(version), { recursive: true, force: true });
        renameSync(unfinished, installationFolder(version));
      }
    } catch (error) {
      throw new RealNacosError(
        'ELANE_NACOS_PREPARE',
        `Nacos ${version} could not be fetched and built; check that mvn reaches Maven Central. ${(error as Error).message}`,
      );
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
    log(`Nacos ${version}: fetched and built in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
    return installationFolder(version);
  } finally {
    unlock();
  }
}

function installationFolder(version: RealNacosVersion): string {
  return join(cacheFolder, version);
}

/** Whether `version` was made by the recipe as it is now. */
function isPrepared(version: RealNacosVersion): boolean {
  const file = join(installationFolder(version), 'recipe');
  return existsSync(file) && readFileSync(file, 'utf8') === recipeDigest();
}

function recipeDigest(): string {
  const hash = createHash('sha256');
  for (const file of readdirSync(recipeFolder).sort()) hash.update(readFileSync(join(recipeFolder, file)));
  return hash.digest('hex');
}

function classPath(installation: string): string {
  const jars = join(installation, 'lib');
  // pom.xml says why this one goes first.
  return [join(installation, 'classes'), join(jars, 'hessian-4.0.63.jar'), join(jars, '*')].join(delimiter);
}

/** Takes the lock between processes that prepare; a lock whose holder is gone is taken over. */
async function lock(version: RealNacosVersion, log: (line: string) => void): Promise<() => void> {
  mkdirSync(cacheFolder, { recursive: true });
  const file = join(cacheFolder, 'preparing.pid');
  const mine = `${file}-${process.pid}-${version}`;
  writeFileSync(mine, String(process.pid));
  try {
    for (let told = false; ;) {
      try {
        // A link appears with its content, a written file first appears empty.
        linkSync(mine, file);
        return () => rmSync(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = lockHolder(file) ?? process.pid;
      if (!isRunning(holder)) rmSync(file, { force: true });
      // When this process holds it, for the other version, that has been told.
      if (!told && holder !== process.pid) log(`waiting for process ${holder}, which is fetching Nacos`);
      told = true;
      await pause(200);
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

function lockHolder(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    // let go since
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function run(command: string, parameters: string[]): Promise<void> {
  return new Promise((done, fail) => {
    execFile(command, parameters, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error === null) return done();
      const said = `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim() !== '');
      fail(new Error(`${command} failed (${error.code ?? error.signal}):\n${said.slice(-15).join('\n')}`));
    });
  });
}

/** Ports handed out by this process, so that two servers starting at once never get the same. */
const handedOut = new Set<number>();

/** A port P with P + 1000, P + 1001 and P - 1000 free too; below the range that outgoing connections use. */
async function reservePorts(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = 21_000 + Math.floor(Math.random() * 10_000);
    const all = [port, port + 1000, port + 1001, port - 1000];
    if (all.some((one) => handedOut.has(one))) continue;
    for (const one of all) handedOut.add(one);
    const free = await Promise.all(all.map((one) => isFree(one)));
    if (free.every(Boolean)) return port;
    for (const one of all) handedOut.delete(one);
  }
  throw new RealNacosError('ELANE_NACOS_PORT', 'no four free ports between 20000 and 32001: end what listens there');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once('error', () => done(false));
    probe.listen({ port, exclusive: true }, () => probe.close(() => done(true)));
  });
}

function javaTool(name: 'java' | 'javac'): string | undefined {
  const home = process.env['JAVA_HOME'];
  return home === undefined || home === '' ? executable(name) : executable(name, join(home, 'bin'));
}

function executable(name: string, path = process.env['PATH'] ?? ''): string | undefined {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  for (const folder of path.split(delimiter)) {
    const file = join(folder, name + suffix);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not here
    }
  }
  return undefined;
}

function forEachLine(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}
