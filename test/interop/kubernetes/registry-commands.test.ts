/** Kubernetes as a registry, and the commands that use it: `lane gateway`, `status` and `explain`, without any Nacos. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Instance } from '@lane/core/model';
import { KubernetesRegistry, serviceKeyOf, type KubernetesApi } from '@lane/kubernetes-registry';
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { startApp, type App } from '../../agent/run-app.js';
import { eventually } from '@lane/testing/eventually';
import { startKubernetes, type KubernetesUser, type RunningKubernetes } from '../../servers/kubernetes/index.js';
import { dataFolder } from '../../servers/process.js';
import { ClusterWriter } from './cluster.js';
import { podEnvironment, reachableAddress } from './injector.js';
import { grantRegistry } from './registry-rights.js';

const LANE = join(__dirname, '../../../packages/cli/dist/main.js');
const HOP = join(__dirname, 'apps/hop.cjs');
/** How soon new pods and labels are in force: far sooner on an idle machine, and before anything is looked up again, which is after 10 s. */
const SOON = { timeoutMs: 8_000, intervalMs: 20 };
const GRAY = { 'lane.dev/tag': 'gray' };
const GROUPS = {
  version: 1,
  groups: [
    {
      name: 'shop',
      services: ['a', 'b'],
      entry: { services: ['lane-gateway'] },
      lanes: [{ name: 'gray', tag: 'gray', rules: [{ name: 'by-host', match: { host: { exact: 'gray.example.com' } } }] }],
    },
  ],
};

let kubernetes: RunningKubernetes;
let admin: KubernetesApi;
let namespace = '';
let user: KubernetesUser;
let write: ClusterWriter;
let env: Record<string, string>;
let apps: App[] = [];
let count = 0;

beforeAll(async () => {
  kubernetes = await startKubernetes();
  admin = kubernetes.api();
}, 600_000);
afterAll(async () => {
  admin?.close();
  await kubernetes?.stop();
});
beforeEach(async () => {
  namespace = `shop-${++count}`;
  await kubernetes.apply([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'app', namespace } },
  ]);
  await grantRegistry(kubernetes, namespace);
  user = await kubernetes.serviceAccount(namespace, 'app');
  write = new ClusterWriter(admin, namespace);
  env = { LANE_REGISTRY: 'kubernetes', ...podEnvironment(kubernetes, user, namespace) };
});
afterEach(async () => {
  await Promise.all(apps.map((app) => app.stop()));
  apps = [];
});

/** A pod of a Service, with a process that answers with the pod's name. */
async function add(pod: string, service: string, labels: Record<string, string> = {}): Promise<void> {
  const app = await startApp({ script: HOP, args: [pod, reachableAddress()], load: 'none' });
  apps.push(app);
  await write.endpoint({ service, pod, port: app.port }, await write.pod(pod, service, labels));
}

/** The output of `lane`. Rejects with its output if it fails. */
async function lane(...args: string[]): Promise<string> {
  return (await promisify(execFile)(process.execPath, [LANE, ...args], { env: { ...process.env, ...env } })).stdout;
}

async function startGateway(...args: string[]): Promise<App> {
  const app = await startApp({ script: LANE, args: ['gateway', '--port', '0', ...args], load: 'none', env });
  apps.push(app);
  return app;
}

async function ask({ port }: App, host: string): Promise<string> {
  const [response] = (await once(http.get({ port, host: '127.0.0.1', agent: false, headers: { host } }), 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk as string;
  return response.statusCode === 200 ? body : `${response.statusCode} ${body}`;
}

function fileOf(document: object): string {
  const file = join(dataFolder('rules'), 'lane-groups.json');
  writeFileSync(file, JSON.stringify(document));
  return file;
}

test('a registry like Nacos: lists services and their instances with tags, and reports each change', async () => {
  const registry = new KubernetesRegistry({ access: { server: kubernetes.server, ca: kubernetes.ca, token: kubernetes.admin.token }, namespace });
  onTestFinished(() => registry.close());
  await write.service('b');
  await write.service('a');
  await add('b-base', 'b');
  await add('b-gray', 'b', GRAY);
  expect(await registry.services()).toEqual(['a', 'b']);
  expect(await registry.services('nowhere')).toEqual([]);

  const tags = (instances: readonly Instance[]): string[] => instances.map(({ metadata }) => metadata['lane'] ?? 'base').toSorted();
  const key = serviceKeyOf('b', namespace, 80);
  expect(tags(await registry.list(key))).toEqual(['base', 'gray']);
  expect(tags(await registry.list(serviceKeyOf('b', namespace)))).toEqual(['base', 'gray']);
  for (const none of [serviceKeyOf('b', namespace, 81), serviceKeyOf('a', namespace), serviceKeyOf('nobody', namespace)])
    expect(await registry.list(none)).toEqual([]);

  let known: readonly Instance[] | undefined;
  const unsubscribe = registry.observe(key, (instances) => (known = instances));
  await eventually(() => expect(tags(known ?? [])).toEqual(['base', 'gray']), SOON);
  await write.label('b-gray', { 'lane.dev/tag': 'blue' });
  await eventually(() => expect(tags(known ?? [])).toEqual(['base', 'blue']), SOON);
  await write.deleteEndpoint('b', 'b-gray');
  await eventually(() => expect(tags(known ?? [])).toEqual(['base']), SOON);
  unsubscribe();
});

test('a user without the rights is told so, with the name of the role', async () => {
  await write.service('b');
  await kubernetes.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'nobody', namespace: 'default' } });
  const { token } = await kubernetes.serviceAccount('default', 'nobody');
  const warned: string[] = [];
  const log = { error: () => {}, warn: (message: string) => void warned.push(message), info: () => {}, debug: () => {} };
  const registry = new KubernetesRegistry({ access: { server: kubernetes.server, ca: kubernetes.ca, token }, log });
  onTestFinished(() => registry.close());
  const refused = { code: 'ELANE_KUBERNETES', status: 403, message: expect.stringContaining('grant the service account the role') as string };
  await expect(registry.list(serviceKeyOf('b', namespace))).rejects.toMatchObject(refused);
  await expect(registry.services(namespace)).rejects.toMatchObject(refused);
  let known: readonly Instance[] | undefined | 'untold' = 'untold';
  registry.observe(serviceKeyOf('b', namespace), (instances) => (known = instances));
  await eventually(() => expect(known).toBeUndefined(), SOON);
  expect(warned).toEqual([expect.stringContaining(`--namespace ${namespace} --clusterrole lane-registry --serviceaccount default:nobody`)]);
});

test('the gateway routes hosts into lanes, to pods as they come and go, even to a Service that is created later', async () => {
  await write.service('a');
  await add('a-base', 'a');
  await add('a-gray', 'a', GRAY);
  const later = `late.example.com=late.${namespace}.svc`;
  const gateway = await startGateway('--route', 'www.example.com=a', '--route', 'gray.example.com=a:gray', '--route', later);
  expect(await ask(gateway, 'www.example.com')).toBe('a-base(www.example.com)');
  expect(await ask(gateway, 'gray.example.com')).toBe('a-gray(gray.example.com)');
  expect(await ask(gateway, 'late.example.com')).toMatch(/^503 /);
  expect(gateway.stderr()).toBe(`warning: there is no Service late of namespace ${namespace}. Retrying until it exists\n`);

  await write.label('a-gray', { 'lane.dev/tag': null });
  await write.label('a-base', GRAY);
  await eventually(async () => expect(await ask(gateway, 'www.example.com')).toMatch(/^a-gray/), SOON);
  expect(await ask(gateway, 'gray.example.com')).toMatch(/^a-base/);

  await write.service('late');
  await add('late', 'late');
  await eventually(async () => expect(await ask(gateway, 'late.example.com')).toMatch(/^late/), { timeoutMs: 60_000, intervalMs: 100 });
});

test('the gateway follows the lane groups of a file and its changes', async () => {
  await write.service('a');
  await add('a-base', 'a');
  await add('a-gray', 'a', GRAY);
  const file = fileOf(GROUPS);
  const gateway = await startGateway('--entry', 'rules', '--rules', file, '--route', '*=a');
  expect(await ask(gateway, 'www.example.com')).toBe('a-base(www.example.com)');
  expect(await ask(gateway, 'gray.example.com')).toBe('a-gray(gray.example.com lane=gray)');
  writeFileSync(file, JSON.stringify(GROUPS).replace('gray.example.com', 'beta.example.com'));
  await eventually(async () => expect(await ask(gateway, 'beta.example.com')).toMatch(/^a-gray/), SOON);
  expect(await ask(gateway, 'gray.example.com')).toMatch(/^a-base/);
  expect(gateway.stderr()).toBe('');
});

test('status and explain show pods, with only the rights of an app', async () => {
  for (const service of ['a', 'b']) {
    await write.service(service);
    await add(`${service}-base`, service);
  }
  await add('a-gray', 'a', GRAY);
  const file = fileOf(GROUPS);
  expect(await lane('status', '--rules', file)).toBe(
    ['shop  entry: lane-gateway', 'SERVICE  BASE  gray', 'a        1     1', 'b        1     0 → base', ''].join('\n'),
  );
  const explained = JSON.parse(await lane('explain', 'http://gray.example.com/', '--rules', file, '--json')) as { hops: Array<{ reason: string }> };
  expect(explained).toMatchObject({ tag: 'gray', source: 'rule', hops: [{ reason: 'in-lane' }, { reason: 'fell-back-to-base' }] });
});
