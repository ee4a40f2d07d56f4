import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fetchJars } from '../../servers/maven.js';
import { freePort } from '@lane/testing/ports';
import { dataFolder, startService, type Service } from '../../servers/process.js';

const VERSION = '3.9.1';
const run = promisify(execFile);

/** Starts a Kafka of one node (KRaft), from Maven Central. */
export async function startKafka(): Promise<Service> {
  const jars = await fetchJars(`kafka-${VERSION}`, [`org.apache.kafka:kafka_2.13:${VERSION}`, 'org.slf4j:slf4j-simple:1.7.36']);
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
  const java = ['-Xmx384m', '-cp', join(jars, '*')];
  await run('java', [...java, 'kafka.tools.StorageTool', 'format', '-t', 'bGFuZS10ZXN0LWNsdXN0ZQ', '-c', properties]);
  return startService('java', [...java, 'kafka.Kafka', properties], /Kafka Server started/, port, folder);
}
