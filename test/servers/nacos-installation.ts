/**
 * Fetches and builds the official Nacos modules from Maven Central, once for all servers of a version (under a lock between processes),
 * and finds the Java that runs them.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, delimiter, join, resolve } from 'node:path';
import { maven, run } from './downloads.js';
import { lockFolder } from './lock.js';
import { MAVEN_LOCK } from './maven.js';

/** The Nacos versions under test: 2.1.1 is the nearest to the scenario's 2.1.2 on Maven Central. */
export const realNacosVersions = ['2.1.1', '2.2.4'] as const;
/** Nacos 3, tested over gRPC only: it has no log-in here, and little of HTTP v1. */
export const nacos3Version = '3.1.0-bugfix' as const;
/** One of them. */
export type RealNacosVersion = (typeof realNacosVersions)[number] | typeof nacos3Version;

/** All of them. */
export const everyNacosVersion: readonly RealNacosVersion[] = [...realNacosVersions, nacos3Version];

/** Whether a version is of Nacos 3. */
export const isNacos3 = (version: RealNacosVersion): boolean => version === nacos3Version;

/** Whether servers can run on this machine. */
export interface RealNacosAvailability {
  available: boolean;
  /** The missing part, in one line. */
  reason?: string;
}

/** The sources of an installation; those of `real-nacos-both` are for all versions. */
const recipeOf = (version: RealNacosVersion): readonly string[] =>
  ['real-nacos-both', isNacos3(version) ? 'real-nacos-3' : 'real-nacos'].flatMap((name) => {
    const folder = join(__dirname, name);
    return readdirSync(folder)
      .toSorted()
      .map((file) => join(folder, file));
  });
const cacheFolder = resolve(__dirname, '../../.cache/nacos');

/** Whether real servers can run here, and if not, why. Examines only PATH and JAVA_HOME, downloads nothing. */
export function realNacosAvailability(): RealNacosAvailability {
  if (process.env['TEST_SCOPE'] === 'quick') return { available: false, reason: '`npm test -- --all` starts them' };
  const java = javaTool('java');
  if (java === undefined) return { available: false, reason: 'no Java: put a JDK 17 or later on the PATH' };
  const { stderr } = spawnSync(java, ['-version'], { encoding: 'utf8' });
  const major = Number(/version "(\d+)/.exec(stderr ?? '')?.[1] ?? 0);
  if (major < 17) {
    return { available: false, reason: `Java ${major || '(unknown version)'} is too old: put a JDK 17 or later on the PATH` };
  }
  if (everyNacosVersion.every(isPrepared)) return { available: true };
  if (javaTool('javac') === undefined) {
    return { available: false, reason: 'no javac beside java: put a JDK 17 or later, not a JRE, on the PATH' };
  }
  if (executable('mvn') === undefined) {
    return { available: false, reason: 'no Maven: put mvn on the PATH, it downloads the servers once' };
  }
  return { available: true };
}

/** Why a real server could not be started; `code` is ELANE_NACOS_UNAVAILABLE, …_PREPARE, …_START or …_PORT. */
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

/** The folder of jars and classes of `version`, made at first use by one process; others wait. */
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
  const unlock = await lockFolder(MAVEN_LOCK, (holder) =>
    log(`Nacos ${version}: waiting for process ${holder}, which is fetching from Maven Central`),
  );
  try {
    mkdirSync(cacheFolder, { recursive: true });
    if (isPrepared(version)) return installationFolder(version);
    log(`Nacos ${version}: fetching it from Maven Central (130 MB, done once)`);
    const startedAt = Date.now();
    const unfinished = mkdtempSync(join(cacheFolder, `${version}-unfinished-`));
    try {
      for (const file of recipeOf(version)) cpSync(file, join(unfinished, basename(file)));
      await maven([
        ...['-f', join(unfinished, 'pom.xml')],
        `-Dnacos.version=${version}`,
        'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies',
        ...['-DincludeScope=runtime', `-DoutputDirectory=${join(unfinished, 'lib')}`],
      ]);
      await run(javaTool('javac') ?? 'javac', [
        ...['-nowarn', '-proc:none', '-d', join(unfinished, 'classes'), '-cp', classPath(unfinished)],
        ...recipeOf(version).filter((file) => file.endsWith('.java')),
      ]);
      writeFileSync(join(unfinished, 'recipe'), recipeDigest(version));
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

/** Whether `version` was built from the current recipe. */
function isPrepared(version: RealNacosVersion): boolean {
  const file = join(installationFolder(version), 'recipe');
  return existsSync(file) && readFileSync(file, 'utf8') === recipeDigest(version);
}

function recipeDigest(version: RealNacosVersion): string {
  const hash = createHash('sha256');
  for (const file of recipeOf(version)) hash.update(readFileSync(file));
  return hash.digest('hex');
}

/** The class path of an installation. */
export function classPath(installation: string): string {
  const jars = join(installation, 'lib');
  // pom.xml says why this one comes first.
  return [join(installation, 'classes'), join(jars, 'hessian-4.0.63.jar'), join(jars, '*')].join(delimiter);
}

/** Java or its compiler, from JAVA_HOME or PATH; undefined if there is none. */
export function javaTool(name: 'java' | 'javac'): string | undefined {
  const home = process.env['JAVA_HOME'];
  return home === undefined || home === '' ? executable(name) : executable(name, join(home, 'bin'));
}

/** The file of a command on PATH; undefined if there is none. */
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
