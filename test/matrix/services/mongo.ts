import { join } from 'node:path';
import { fetchJars } from '../../servers/maven.js';
import { freePort } from '@lane/testing/ports';
import { dataFolder, startService, type Service } from '../../servers/process.js';

/** The note of rows that were tested against it. */
export const STAND_IN = 'tested with mongo-java-server: MongoDB itself is not in Debian, npm or Maven Central';

/** Starts mongo-java-server, which speaks the protocol of MongoDB and keeps its data in memory. */
export async function startMongo(): Promise<Service> {
  const jars = await fetchJars('mongo-java-server', ['de.bwaldvogel:mongo-java-server:1.47.0', 'org.slf4j:slf4j-nop:2.0.17']);
  const port = await freePort();
  const args = ['-Xmx128m', '-cp', join(jars, '*'), join(__dirname, 'StandIn.java'), String(port)];
  return startService('java', args, /^ready$/m, port, dataFolder('mongo'));
}
