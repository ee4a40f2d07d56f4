/** LANE_REGISTRY=kubernetes: apps under the agent that know nothing of lanes find each other through a real API server. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { KubernetesApi } from '@lane/kubernetes-registry';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { AGENT, startApp, type App } from '../../agent/run-app.js';
import { eventually } from '@lane/testing/eventually';
import { kubernetesProgram, startKubernetes, type KubernetesUser, type RunningKubernetes } from '../../servers/kubernetes/index.js';
import { dataFolder } from '../../servers/process.js';
import { ClusterWriter } from './cluster.js';
import { podEnvironment, reachableAddress } from './injector.js';
import { grantRegistry } from './registry-rights.js';

const HOP = join(__dirname, 'apps/hop.cjs');
/** How soon new pods and labels are in force: far sooner on an idle machine, and before anything is looked up again, which is after 10 s. */
const SOON = { timeoutMs: 8_000, intervalMs: 20 };
const GRAY = { 'lane.dev/tag': 'gray' };

let kubernetes: RunningKubernetes;
let admin: KubernetesApi;
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
afterEach(async () => {
  await Promise.all(apps.map((app) => app.stop()));
  apps = [];
});

/** A namespace whose service account `app` has the rights that the chart grants; with `rights` false, none. */
async function namespace(rights = true): Promise<{ name: string; user: KubernetesUser; write: ClusterWriter }> {
  const name = `shop-${++count}`;
  await kubernetes.apply([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'app', namespace: name } },
  ]);
  if (rights) await grantRegistry(kubernetes, name);
  return { name, user: await kubernetes.serviceAccount(name, 'app'), write: new ClusterWriter(admin, name) };
}

/** Starts a process with the environment of a pod of this namespace. */
async function startHop(where: { name: string; user: KubernetesUser }, args: readonly string[], env: Record<string, string> = {}): Promise<App> {
  const app = await startApp({
    script: HOP,
    args: [args[0] as string, reachableAddress(), ...args.slice(1)],
    env: { LANE_REGISTRY: 'kubernetes', ...podEnvironment(kubernetes, where.user, where.name), ...env },
  });
  apps.push(app);
  return app;
}

interface Shop {
  readonly where: Awaited<ReturnType<typeof namespace>>;
  readonly a: App;
  /** Adds a pod of B or C, with a process. */
  add(pod: string, service: string, labels?: Record<string, string>, next?: string): Promise<App>;
}

/** A is called by the test; it calls B by name, and B calls C. */
async function shop(env: Record<string, string> = {}): Promise<Shop> {
  const where = await namespace();
  await where.write.service('b');
  await where.write.service('c');
  const add: Shop['add'] = async (pod, service, labels = {}, next) => {
    const tag: Record<string, string> = labels['lane.dev/tag'] === undefined ? {} : { LANE_TAG: labels['lane.dev/tag'] };
    const app = await startHop(where, [pod, ...(next === undefined ? [] : [next])], { ...env, ...tag });
    const uid = await where.write.pod(pod, service, labels);
    await where.write.endpoint({ service, pod, port: app.port }, uid);
    return app;
  };
  return { where, a: await startHop(where, ['a', 'http://b/'], env), add };
}

async function call(app: App, tag?: string, query = ''): Promise<string> {
  const response = await fetch(`http://${reachableAddress()}:${app.port}/${query}`, tag === undefined ? {} : { headers: { baggage: `lane=${tag}` } });
  return response.text();
}

test('a tagged request stays in its lane and falls back to base where the lane has no instance; an untagged one never enters it', async () => {
  const { a, add } = await shop();
  await add('b-base', 'b', {}, `http://c.shop-${count}.svc.cluster.local/`);
  await add('b-gray', 'b', GRAY, `http://c.shop-${count}/`);
  await add('c-base', 'c');
  await eventually(async () => expect(await call(a, 'gray')).toBe(`a -> b-gray -> c-base(c.shop-${count} lane=gray)`), SOON);
  for (let i = 0; i < 20; i++) expect(await call(a)).toBe(`a -> b-base -> c-base(c.shop-${count}.svc.cluster.local)`);
  for (let i = 0; i < 20; i++) expect(await call(a, 'gray', '?by=fetch')).toBe(`a -> b-gray -> c-base(c.shop-${count} lane=gray)`);
  expect(await call(a, 'blue')).toMatch(/^a -> b-base -> c-base/);
  await add('c-gray', 'c', GRAY);
  await eventually(async () => expect(await call(a, 'gray')).toMatch(/^a -> b-gray -> c-gray/), SOON);
  expect(await call(a)).toMatch(/^a -> b-base -> c-base/);
  expect(a.stderr()).toBe('');
});

test('the address of a pod in the wrong lane is corrected, as for addresses that apps have cached', async () => {
  const { a, add, where } = await shop();
  await add('b-base', 'b');
  const gray = await add('b-gray', 'b', GRAY);
  expect(where.name).toBe(`shop-${count}`);
  await eventually(async () => expect(await call(a, 'gray')).toMatch(/^a -> b-gray/), SOON);
  const direct = `?url=${encodeURIComponent(`http://${reachableAddress()}:${gray.port}/`)}`;
  expect(await call(a, undefined, direct)).toMatch(/^a -> b-base/);
  expect(await call(a, 'gray', direct)).toMatch(/^a -> b-gray/);
});

/** Soon, and repeatedly, so not by chance. */
function soonAlways(app: App, tag: string | undefined, expected: RegExp): Promise<void> {
  return eventually(async () => {
    for (let i = 0; i < 10; i++) expect(await call(app, tag), app.stderr()).toMatch(expected);
  }, SOON);
}

test('changed labels, pods that are not ready, and deleted pods take effect at once', async () => {
  const { a, add, where } = await shop();
  await add('b-1', 'b');
  await add('b-2', 'b');
  await soonAlways(a, 'gray', /b-[12]/);
  await where.write.label('b-2', { 'alicloud.service.tag': 'gray' });
  await soonAlways(a, 'gray', /b-2/);
  await soonAlways(a, undefined, /b-1/);
  // Ours takes precedence over MSE's, as for the injector.
  await where.write.label('b-2', { 'lane.dev/tag': 'blue' });
  await soonAlways(a, 'blue', /b-2/);
  expect(await call(a, 'gray')).toMatch(/b-1/);
  await where.write.deleteEndpoint('b', 'b-2');
  await where.write.endpoint({ service: 'b', pod: 'b-2', port: 1, conditions: { ready: false } });
  await soonAlways(a, 'blue', /b-1/);
  // The pod disappears before its endpoint: nobody knows its labels any more.
  await where.write.deleteEndpoint('b', 'b-2');
  const third = await add('b-3', 'b', { 'lane.dev/tag': 'blue' });
  await soonAlways(a, 'blue', /b-3/);
  await where.write.deletePod('b-3');
  await soonAlways(a, 'blue', /b-1/);
  await soonAlways(a, undefined, /b-1/);
  expect(third.child.exitCode).toBeNull();
});

/** Runs the command from the log, which must bind exactly this. */
async function followRemedy({ stderr }: App, binding: string): Promise<void> {
  const [, command = ''] = /: kubectl (create rolebinding \S+ [^.]*)\. Calls to it/.exec(stderr()) ?? [];
  expect(command.slice(command.indexOf('--'))).toBe(binding);
  await kubernetes.kubectl(command.split(' '));
}

test('another namespace can be called by its name, given the rights, and the tag is forwarded', async () => {
  const there = await shop();
  await there.add('b-base', 'b');
  await there.add('b-gray', 'b', GRAY);
  const here = await namespace();
  const a = await startHop(here, ['a', `http://b.${there.where.name}.svc/`]);
  expect(await call(a)).toMatch(/^a -> E(NOTFOUND|AI_AGAIN)$/);
  await followRemedy(a, `--namespace ${there.where.name} --clusterrole lane-registry --serviceaccount ${here.name}:app`);
  await eventually(async () => expect(await call(a, 'gray')).toBe(`a -> b-gray(b.${there.where.name}.svc lane=gray)`));
  // Now that the namespace is known, a short name in it is not a public host.
  const short = `?by=fetch&url=${encodeURIComponent(`http://b.${there.where.name}/`)}`;
  expect(await call(a, 'gray', short)).toBe(`a -> b-gray(b.${there.where.name} lane=gray)`);
});

test('if the lane is strict and the Service has no instance of it, the caller gets an error', async () => {
  const { a, add } = await shop({ LANE_FALLBACK: 'none' });
  await add('b-base', 'b');
  await eventually(async () => expect(await call(a)).toMatch(/b-base/), SOON);
  expect(await call(a, 'gray')).toBe('a -> ELANE_UNAVAILABLE');
});

test('follows a Service that now selects other pods', async () => {
  const { a, add, where } = await shop();
  await add('b-base', 'b');
  await eventually(async () => expect(await call(a)).toMatch(/b-base/), SOON);
  const uid = await where.write.pod('b-other', 'other', GRAY);
  const other = await startHop(where, ['b-other'], { LANE_TAG: 'gray' });
  await where.write.endpoint({ service: 'b', pod: 'b-other', port: other.port }, uid);
  // Until its pod is known it gets no calls at all.
  for (let i = 0; i < 10; i++) expect(await call(a)).toMatch(/b-base/);
  await eventually(async () => expect(await call(a, 'gray')).toMatch(/b-other/));
});

test('names without a Service, and ports that it does not have, go where they would without the agent, and are reported once', async () => {
  const { a, add } = await shop();
  await add('b-base', 'b');
  const to = (url: string): Promise<string> => call(a, undefined, `?url=${encodeURIComponent(url)}`);
  for (let i = 0; i < 2; i++) expect(await to('http://nobody/')).toMatch(/^a -> E(NOTFOUND|AI_AGAIN)$/);
  expect(await to('http://b:8080/')).toMatch(/^a -> E(NOTFOUND|AI_AGAIN)$/);
  expect(a.stderr().match(/there is no Service nobody of namespace shop-\d+\. Calls to it go the way they would without the agent/g)).toHaveLength(1);
  expect(a.stderr()).toMatch(/Service b of namespace shop-\d+ has no port 8080/);
  // A name that may be a public host causes no warning.
  expect(await to('http://lane.invalid/')).toMatch(/^a -> E(NOTFOUND|AI_AGAIN)$/);
  expect(a.stderr()).not.toMatch(/invalid/);
});

test('without the rights, calls go unchanged, and the log names the role, which takes effect once it is granted', async () => {
  const where = await namespace(false);
  await where.write.service('b');
  const uid = await where.write.pod('b-base', 'b');
  const b = await startHop(where, ['b-base']);
  await where.write.endpoint({ service: 'b', pod: 'b-base', port: b.port }, uid);
  const a = await startHop(where, ['a', 'http://b/']);
  expect(await call(a)).toMatch(/^a -> E(NOTFOUND|AI_AGAIN)$/);
  expect(a.stderr()).toMatch(
    new RegExp(
      `denies access to Service b of namespace ${where.name}: .*get of services, list and watch of endpointslices.*` + 'kubectl create rolebinding',
    ),
  );
  // The chart's binding of other accounts does not interfere.
  await grantRegistry(kubernetes, where.name, []);
  await followRemedy(a, `--namespace ${where.name} --clusterrole lane-registry --serviceaccount ${where.name}:app`);
  await eventually(async () => expect(await call(a)).toMatch(/^a -> b-base/));
});

const RULES = [
  { apiGroups: [''], resources: ['services'], verbs: ['get'] },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
];
test.each([0, 1, 2])('each of the rights is necessary: %i', async (left) => {
  const where = await namespace(false);
  const metadata = { name: 'less', namespace: where.name };
  const rbac = 'rbac.authorization.k8s.io';
  await kubernetes.apply([
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules: RULES.filter((_, index) => index !== left) },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: rbac, kind: 'Role', name: 'less' },
      subjects: [{ kind: 'ServiceAccount', name: 'app', namespace: where.name }],
    },
  ]);
  await where.write.service('b');
  const uid = await where.write.pod('b-base', 'b');
  const b = await startHop(where, ['b-base']);
  await where.write.endpoint({ service: 'b', pod: 'b-base', port: b.port }, uid);
  const a = await startHop(where, ['a', 'http://b/']);
  expect(await call(a)).toMatch(/^a -> E(NOTFOUND|AI_AGAIN)$/);
  expect(a.stderr()).toMatch(/denies access to Service b/);
});

test("the chart grants exactly these rights, in the account's namespace only", async () => {
  const where = await namespace();
  const rightsIn = async (name: string): Promise<unknown[]> => {
    const api = kubernetes.api(where.user);
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace: name } };
    const answer = await api.request({ method: 'POST', path: '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', body });
    api.close();
    const { resourceRules } = (answer.body as { status: { resourceRules: Array<{ verbs: string[]; apiGroups: string[]; resources: string[] }> } })
      .status;
    // Everybody may ask who they are and what they may do.
    const own = resourceRules.filter(({ apiGroups }) => !['authorization.k8s.io', 'authentication.k8s.io'].includes(apiGroups[0] as string));
    return own.map(({ apiGroups, resources, verbs }) => ({ apiGroups, resources, verbs }));
  };
  expect(await rightsIn(where.name)).toEqual(expect.arrayContaining(RULES));
  expect(await rightsIn(where.name)).toHaveLength(RULES.length);
  expect(await rightsIn('default')).toEqual([]);
});

test('while the API server is down, the known state stays in force; afterwards, changes take effect', async () => {
  const { add, where } = await shop();
  await add('b-base', 'b');
  await add('b-gray', 'b', GRAY);
  const way = await startWay(new URL(kubernetes.server));
  const a = await startHop(where, ['a', 'http://b/'], { LANE_KUBERNETES_SERVER: `https://127.0.0.1:${way.port}`, LANE_LOG: 'info' });
  await eventually(async () => expect(await call(a, 'gray')).toMatch(/b-gray/), SOON);
  await way.cut();
  await eventually(() => expect(a.stderr()).toMatch(/can't be reached: .*Known instances stay in use/));
  for (let i = 0; i < 5; i++) {
    expect(await call(a, 'gray')).toMatch(/b-gray/);
    expect(await call(a)).toMatch(/b-base/);
  }
  await where.write.deleteEndpoint('b', 'b-gray');
  await way.mend();
  await eventually(async () => expect(await call(a, 'gray')).toMatch(/b-base/));
  expect(a.stderr()).toMatch(/answers again/);
  expect(a.stderr().match(/can't be reached/g)).toHaveLength(1);
  await way.cut();
});

test('the API server itself may crash and come back', async () => {
  const { a, add, where } = await shop({ LANE_LOG: 'info' });
  await add('b-base', 'b');
  await add('b-gray', 'b', GRAY);
  await eventually(async () => expect(await call(a, 'gray')).toMatch(/b-gray/), SOON);
  await kubernetes.crashApiServer(async () => {
    await eventually(() => expect(a.stderr()).toMatch(/can't be reached/));
    expect(await call(a, 'gray')).toMatch(/b-gray/);
    expect(await call(a)).toMatch(/b-base/);
  });
  await where.write.deleteEndpoint('b', 'b-gray');
  await where.write.label('b-base', { 'lane.dev/tag': 'blue' });
  await eventually(async () => expect(await call(a)).toBe('a -> ELANE_UNAVAILABLE'));
  await soonAlways(a, 'blue', /b-base/);
  expect(a.stderr()).toMatch(/answers again/);
});

test('a process that starts while the API server is down calls as without the agent, until the server answers', async () => {
  const { add, where } = await shop();
  await add('b-base', 'b');
  const way = await startWay(new URL(kubernetes.server));
  await way.cut();
  const a = await startHop(where, ['a', 'http://b/'], { LANE_KUBERNETES_SERVER: `https://127.0.0.1:${way.port}` });
  expect(await call(a)).toMatch(/^a -> E(NOTFOUND|AI_AGAIN)$/);
  expect(a.stderr()).toMatch(/kubernetes did not answer within 3000 ms: until it does, such calls go where they would without the agent/);
  await way.mend();
  await eventually(async () => expect(await call(a)).toMatch(/b-base/));
  await way.cut();
});

test('LANE_SERVICES maps other hosts to a Service', async () => {
  const { a, add } = await shop({ LANE_SERVICES: 'pay.corp.example=b' });
  await add('b-base', 'b');
  await add('b-gray', 'b', GRAY);
  await soonAlways(a, 'gray', /b-gray/);
  const query = `?url=${encodeURIComponent('http://pay.corp.example/')}`;
  expect(await call(a, 'gray', query)).toBe('a -> b-gray(pay.corp.example lane=gray)');
  expect(await call(a, undefined, query)).toBe('a -> b-base(pay.corp.example)');
});

test('reads lane groups from the folder of a ConfigMap, and follows the kubelet’s changes', async () => {
  const folder = dataFolder('config-map');
  const document = (enabled: boolean): string =>
    JSON.stringify({
      version: 1,
      groups: [{ name: 'shop', services: ['a', 'b'], entry: { services: ['a'] }, lanes: [{ name: 'gray', tag: 'gray', enabled, rules: [] }] }],
    });
  let version = 0;
  // A new folder, to which the link `..data` switches atomically.
  const publish = (enabled: boolean): void => {
    const name = `..${++version}`;
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, 'lane-groups.json'), document(enabled));
    symlinkSync(name, join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    rmSync(join(folder, `..${version - 1}`), { recursive: true, force: true });
  };
  publish(true);
  symlinkSync('..data/lane-groups.json', join(folder, 'lane-groups.json'));
  const { a, add } = await shop({ LANE_RULES: `file:${join(folder, 'lane-groups.json')}` });
  await add('b-base', 'b');
  await add('b-gray', 'b', GRAY);
  await eventually(async () => expect(await call(a, 'gray')).toMatch(/b-gray/), SOON);
  publish(false);
  await eventually(async () => expect(await call(a, 'gray')).toMatch(/b-base/), SOON);
  publish(true);
  await eventually(async () => expect(await call(a, 'gray')).toMatch(/b-gray/), SOON);
});

test('outside pods, kubectl proxy leads to the API server', async () => {
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'b', namespace: 'default' }, spec: { ports: [{ name: 'http', port: 80 }] } };
  await kubernetes.apply(service);
  const write = new ClusterWriter(admin, 'default');
  const b = await startApp({ script: HOP, args: ['b', reachableAddress()], load: 'none' });
  apps.push(b);
  await write.endpoint({ service: 'b', pod: 'b', port: b.port }, await write.pod('b', 'b'));
  const proxy = spawn(await kubernetesProgram('kubectl'), ['proxy', '--port=0'], { env: { ...process.env, KUBECONFIG: kubernetes.kubeconfig() } });
  try {
    let said = '';
    proxy.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const server = await eventually(() => `http://${/127\.0\.0\.1:\d+/.exec(said)?.[0] ?? expect.fail(said)}`);
    const env = { LANE_REGISTRY: 'kubernetes', LANE_KUBERNETES_SERVER: server, LANE_KUBERNETES_ACCOUNT: dataFolder('nothing') };
    const a = await startApp({ script: HOP, args: ['a', reachableAddress(), 'http://b.default.svc/'], env });
    apps.push(a);
    expect(await call(a)).toBe('a -> b(b.default.svc)');
    expect(a.stderr()).toBe('');
  } finally {
    proxy.kill();
    await once(proxy, 'close');
  }
});

test.each([
  [
    'outside a cluster',
    { KUBERNETES_SERVICE_HOST: '' },
    /LANE_REGISTRY=kubernetes needs a cluster, .* run kubectl proxy, and set LANE_KUBERNETES_SERVER/,
  ],
  [
    'in a pod without an account',
    { LANE_KUBERNETES_ACCOUNT: '/nowhere' },
    /no service account to ask Kubernetes with, .* Is automountServiceAccountToken false\?/,
  ],
])('%s, the app runs, calls go unchanged, and the log names the remedy', async (_, env, said) => {
  const where = await namespace();
  const a = await startHop(where, ['a', 'http://b/'], env);
  for (let i = 0; i < 2; i++) expect(await call(a)).toMatch(/^a -> E(NOTFOUND|AI_AGAIN)$/);
  expect(a.stderr()).toMatch(said);
  expect(a.stderr().trim().split('\n')).toHaveLength(1);
});

test('loads nothing before the first call by name, and nothing ever without the option', async () => {
  const { user, name } = await namespace();
  const look = 'process.stdout.write(String(Object.keys(require.cache).some((file) => file.includes("kubernetes-registry"))))';
  const call = 'require("node:http").get("http://nobody/").on("error", () => {})';
  const loaded = async (env: Record<string, string>, ...code: string[]): Promise<string> => {
    const args = ['--require', AGENT, '-e', code.join(';')];
    return (await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...podEnvironment(kubernetes, user, name), ...env } })).stdout;
  };
  expect(await loaded({ LANE_REGISTRY: 'kubernetes' }, look)).toBe('false');
  expect(await loaded({ LANE_REGISTRY: 'kubernetes' }, call, look)).toBe('true');
  expect(await loaded({}, call, look)).toBe('false');
});

/** A proxy to the API server that can be cut. */
async function startWay(to: URL): Promise<{ port: number; cut(): Promise<void>; mend(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(to.port), to.hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => (sockets.delete(socket), near.destroy(), far.destroy()));
    }
    near.pipe(far).pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async cut() {
      if (!server.listening) return;
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
    async mend() {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
  };
}
