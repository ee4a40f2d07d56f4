/**
 * The official Nacos modules from Maven Central, fetched and built once for all servers of a version (a lock between processes sees to that),
 * and the Java that runs them.
 */
import { execFile, spawnSync } from 'node:child_process';
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
import { delimiter, join, resolve } from 'node:path';

/** The Nacos versions tests run against: 2.1.1 is the nearest to the scenario's 2.1.2 that Maven Central carries. */
export const realNacosVersions = ['2.1.1', '2.2.4'] as const;
/** One of them. */
export type RealNacosVersion = (typeof realNacosVersions)[number];

/** Whether servers can run on this machine. */
export interface RealNacosAvailability {
  available: boolean;
  /** What is missing, in one line. */
  reason?: string;
}

const recipeFolder = join(__dirname, 'real-nacos');
const cacheFolder = resolve(__dirname, '../../.cache/nacos');

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

const preparing = new Map<RealNacosVersion, Promise<string>>();

/** The folder of jars and classes of `version`, made on first use; one process at a time makes it, the others wait. */
export function prepare(version: RealNacosVersion, log: (line: string) => void): Promise<string> {
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

/** What Java's -cp takes for an installation. */
export function classPath(installation: string): string {
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

function run(command: string, parameters: string[]): Promise<void> {
  return new Promise((done, fail) => {
    execFile(command, parameters, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error === null) return done();
      const said = `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim() !== '');
      fail(new Error(`${command} failed (${error.code ?? error.signal}):\n${said.slice(-15).join('\n')}`));
    });
  });
}

/** Java or its compiler, of JAVA_HOME or the PATH; undefined: it isn't there. */
export function javaTool(name: 'java' | 'javac'): string | undefined {
  const home = process.env['JAVA_HOME'];
  return home === undefined || home === '' ? executable(name) : executable(name, join(home, 'bin'));
}

/** The file of a command on the PATH; undefined: it isn't there. */
export function executable(name: string, path = process.env['PATH'] ?? ''): string | undefined {
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

/** Resolves after so many milliseconds. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}

/** Whether a process of this id is running. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
