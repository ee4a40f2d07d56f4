/** Builds and starts the Java services of these tests. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { maven } from '../../servers/downloads.js';
import { lockFolder } from '../../servers/lock.js';
import { MAVEN_LOCK } from '../../servers/maven.js';
import { dataFolder, startService, type Service } from '../../servers/process.js';

const CACHE = join(__dirname, '../../../.cache/java');

/** Builds a Maven project unless that was done for the same sources; returns the output folder. */
export async function buildJava(name: string, project: string): Promise<string> {
  const built = join(CACHE, name);
  const stamp = join(CACHE, `${name}.sources`);
  const sources = readdirSync(project, { recursive: true, encoding: 'utf8' })
    .map((file) => join(project, file))
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
  if (existsSync(built) && existsSync(stamp) && readFileSync(stamp, 'utf8') === sources) return built;
  mkdirSync(CACHE, { recursive: true });
  const unlock = await lockFolder(MAVEN_LOCK);
  try {
    await maven(['-f', join(project, 'pom.xml'), `-Dlane.build=${built}`, 'package']);
  } catch (error) {
    throw new Error(`could not build ${name}; this needs Java 17 and Maven: ${(error as Error).message}`);
  } finally {
    unlock();
  }
  writeFileSync(stamp, sources);
  return built;
}

/** Starts a Spring Boot jar with its own folder for output; resolves with its port once it serves. */
export async function startSpringBoot(
  jvmArgs: readonly string[],
  jar: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<Service> {
  const folder = dataFolder('java');
  let port = 0;
  const ready = {
    test(output: string): boolean {
      port = Number(/Tomcat started on port\(?s?\)?:? (\d+)/.exec(output)?.[1] ?? 0);
      return /Started \w+ in/.test(output);
    },
  } as RegExp;
  const small = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', `-Duser.home=${folder}`];
  const { stop } = await startService('java', [...jvmArgs, ...small, '-jar', jar, ...args], ready, 0, folder, env);
  return { port, stop };
}
