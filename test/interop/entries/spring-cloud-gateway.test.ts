/** Real Spring Cloud Gateway 2023.0.5 (Maven Central), with the output of `lane gateway export spring-cloud-gateway`. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { exportRules } from '@lane/gateway';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { fetchJars } from '../../servers/maven.js';
import { freePort } from '@lane/testing/ports';
import { dataFolder } from '../../servers/process.js';
import { SHOP, sourceOf, startInstances, type Instances } from './entry.js';
import { startProxy, type Proxy } from './proxy.js';
import { scenario } from './scenario.js';

let instances: Instances;
let proxy: Proxy;
beforeAll(async () => {
  instances = await startInstances(['gray']);
  const jars = await fetchJars('spring-cloud-gateway', ['org.springframework.cloud:spring-cloud-starter-gateway:4.1.6']);
  const port = await freePort();
  const { text, remarks } = exportRules('spring-cloud-gateway', sourceOf(instances, SHOP, port));
  expect(remarks.filter(({ kind }) => kind === 'gap').map(({ message }) => message)).toEqual([expect.stringContaining('other baggage is not kept')]);
  const folder = dataFolder('spring-cloud-gateway');
  writeFileSync(join(folder, 'application.yml'), text);
  const classes = join(folder, 'classes');
  await promisify(execFile)('javac', [
    '-nowarn',
    '-proc:none',
    '-d',
    classes,
    '-cp',
    join(jars, '*'),
    join(__dirname, '../../../examples/entry-spring-cloud-gateway/java/src/main/java/lane/example/Entry.java'),
  ]);
  const options = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', `-Djava.io.tmpdir=${folder}`];
  const config = [`--spring.config.location=file:${folder}/application.yml`, '--server.address=127.0.0.1'];
  proxy = await startProxy('java', [...options, '-cp', `${classes}:${join(jars, '*')}`, 'lane.example.Entry', ...config], port, folder, {
    timeoutMs: 180_000,
    ready: /Started Entry in/,
  });
});
afterAll(async () => {
  await proxy?.stop();
  await instances?.stop();
});

describe('the scenario through Spring Cloud Gateway', () => {
  scenario(() => proxy.port, { mergesBaggage: false });
});
