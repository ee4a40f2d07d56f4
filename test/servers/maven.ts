/** Fetches servers from Maven Central, one after the other: test files share .cache and Maven's own folder, and Maven locks neither. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { maven } from './downloads.js';
import { lockFolder } from './lock.js';

/** Also that of the Nacos servers, so that no two Mavens run beside each other. */
export const MAVEN_LOCK = join(__dirname, '../../.cache/maven');

/** `group:artifact:version`. */
export type Coordinates = `${string}:${string}:${string}`;

/** Fetches the jars of these artifacts and their dependencies, once; returns the folder. */
export async function fetchJars(name: string, artifacts: readonly Coordinates[]): Promise<string> {
  const jars = join(__dirname, '../../.cache', name);
  await once(name, jars, async (folder) => {
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
    await maven(['-f', join(folder, 'pom.xml'), plugin, `-DoutputDirectory=${folder}`]);
  });
  return jars;
}

/** Fetches a self-contained jar, such as one with the classifier `exec`, once; returns its path. */
export async function fetchJar(artifact: Coordinates, classifier: string): Promise<string> {
  const [group, id, version] = artifact.split(':');
  const name = `${id}-${version}-${classifier}.jar`;
  const folder = join(__dirname, '../../.cache', `${id}-${version}`);
  await once(name, folder, async (fetching) => {
    const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy';
    await maven([plugin, `-Dartifact=${group}:${id}:${version}:jar:${classifier}`, `-DoutputDirectory=${fetching}`]);
  });
  return join(folder, name);
}

/** Fills a folder, unless it is there; it appears complete. */
async function once(name: string, folder: string, fill: (folder: string) => Promise<void>): Promise<void> {
  if (existsSync(folder)) return;
  const unlock = await lockFolder(MAVEN_LOCK);
  try {
    if (existsSync(folder)) return;
    const fetching = `${folder}.fetching`;
    rmSync(fetching, { recursive: true, force: true });
    mkdirSync(fetching, { recursive: true });
    await fill(fetching);
    renameSync(fetching, folder);
  } catch (error) {
    throw new Error(`could not fetch ${name}; this needs Java 17 and a Maven that reaches Maven Central. ${(error as Error).message}`);
  } finally {
    unlock();
  }
}
