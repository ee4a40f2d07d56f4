import { freePort } from '@lane/testing/ports';
import { dataFolder, startService, type Service } from '../../servers/process.js';
import { fetchJar } from '../../servers/maven.js';

/** Starts Zipkin with its store in memory. */
export async function startZipkin(): Promise<Service> {
  const jar = await fetchJar('io.zipkin:zipkin-server:3.6.1', 'exec');
  const port = await freePort();
  const args = ['-jar', jar, '--armeria.ports[0].ip=127.0.0.1', `--armeria.ports[0].port=${port}`, '--armeria.ports[0].protocols[0]=http'];
  // The annotation query finds any tag, so also `lane.tag`, without configuration.
  return startService('java', args, /Serving HTTP at/, port, dataFolder('zipkin'));
}
