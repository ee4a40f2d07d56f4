/** Fetches servers from Maven Central. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** `group:artifact:version`. */
export type Coordinates = `${string}:${string}:${string}`;

/** Fetches the jars of these artifacts and their dependencies, once; returns the folder. */
export async function fetchJars(name: string, artifacts: readonly Coordinates[]): Promise<string> {
  const jars = join(__dirname, '../../.cache', name);
  if (existsSync(jars)) return jars;
  const folder = `${jars}.fetching`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const dependencies = artifacts.map((artifact) => {
    const [group, id, version] = artifact.split(':');
    return `<dependency><groupId>${group}</groupId><artifactId>${id}</artifactId><version>${version}</version></dependency>`;
  });
  writeFileSync(
    join(folder, 'pom.xml'),
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
  <groupId>lane</groupId><artifactId>${name}</artifactId><version>1</version>
  <dependencies>${dependencies.join('\n')}</dependencies>
</project>`,
  );
  const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
  try {
    await run('mvn', ['-q', '-B', '-f', join(folder, 'pom.xml'), plugin, `-DoutputDirectory=${folder}`]);
  } catch (error) {
    throw new Error(`could not fetch ${name}; this needs Java 17 and a Maven that reaches Maven Central. ${(error as Error).message}`);
  }
  renameSync(folder, jars);
  return jars;
}

/** Fetches a self-contained jar, such as one with the classifier `exec`, once; returns its path. */
export async function fetchJar(artifact: Coordinates, classifier: string): Promise<string> {
  const [group, id, version] = artifact.split(':');
  const name = `${id}-${version}-${classifier}.jar`;
  const folder = join(__dirname, '../../.cache', `${id}-${version}`);
  const jar = join(folder, name);
  if (existsSync(jar)) return jar;
  const fetching = `${folder}.fetching`;
  mkdirSync(fetching, { recursive: true });
  const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy';
  try {
    await run('mvn', ['-q', '-B', plugin, `-Dartifact=${group}:${id}:${version}:jar:${classifier}`, `-DoutputDirectory=${fetching}`]);
  } catch (error) {
    throw new Error(`could not fetch ${name}; this needs Java 17 and a Maven that reaches Maven Central. ${(error as Error).message}`);
  }
  mkdirSync(folder, { recursive: true });
  renameSync(join(fetching, name), jar);
  rmSync(fetching, { recursive: true, force: true });
  return jar;
}
