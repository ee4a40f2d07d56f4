import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { dataFolder, freePort, startService, type Service } from './process.js';

const VERSION = '3.9.1';
const JARS = join(__dirname, '../.cache', `kafka-${VERSION}`);
const run = promisify(execFile);

/** Starts a Kafka of one node (KRaft), from Maven Central. */
export async function startKafka(): Promise<Service> {
  await fetchJars();
  const folder = dataFolder('kafka');
  const [port, controller] = [await freePort(), await freePort()];
  const properties = join(folder, 'server.properties');
  writeFileSync(
    properties,
    `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=${join(folder, 'logs')}
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
`,
  );
  const java = ['-Xmx384m', '-cp', join(JARS, '*')];
  await run('java', [...java, 'kafka.tools.StorageTool', 'format', '-t', 'bGFuZS10ZXN0LWNsdXN0ZQ', '-c', properties]);
  return startService('java', [...java, 'kafka.Kafka', properties], /Kafka Server started/, port, folder);
}

async function fetchJars(): Promise<void> {
  if (existsSync(JARS)) return;
  const folder = `${JARS}.fetching`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'pom.xml'),
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
  <groupId>lane</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>`,
  );
  try {
    await run('mvn', [
      '-q',
      '-B',
      '-f',
      join(folder, 'pom.xml'),
      'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies',
      `-DoutputDirectory=${folder}`,
    ]);
  } catch (error) {
    throw new Error(`Kafka ${VERSION} could not be fetched; it takes Java 17 and a Maven that reaches Maven Central. ${(error as Error).message}`);
  }
  renameSync(folder, JARS);
}
