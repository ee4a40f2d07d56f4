import { fetchJars } from '../../servers/maven.js';
import { freePort } from '@lane/testing/ports';
import { dataFolder, startService, type Service } from '../../servers/process.js';

const VERSION = '1.6.12';

/** The note of rows that were tested against it. */
export const STAND_IN = 'tested with ElasticMQ, which enforces the limits of SQS';

/** Starts ElasticMQ, which speaks the protocol of Amazon SQS and keeps its messages in memory, from Maven Central. */
export async function startElasticmq(): Promise<Service> {
  const jars = await fetchJars(`elasticmq-${VERSION}`, [`org.elasticmq:elasticmq-server_2.13:${VERSION}`]);
  const port = await freePort();
  const settings = {
    'node-address.host': '127.0.0.1',
    'node-address.port': port,
    'rest-sqs.bind-hostname': '127.0.0.1',
    'rest-sqs.bind-port': port,
    'rest-sqs.sqs-limits': 'strict',
    'rest-stats.enabled': false,
  };
  const args = ['-Xmx128m', ...Object.entries(settings).map(([name, value]) => `-D${name}=${value}`), '-cp', `${jars}/*`];
  return startService('java', [...args, 'org.elasticmq.server.Main'], /ElasticMQ server .* started in/, port, dataFolder('elasticmq'));
}
