/** A real API server admits pods: it calls `lane injector` through the Service of its manifests, over TLS with certificates that the injector made. */
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:https';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { nextState, type KubernetesApi } from '@lane/kubernetes/injector';
import { eventually } from '@lane/testing/eventually';
import { startKubernetes, type Output, type RunningKubernetes } from '../../servers/kubernetes/index.js';
import { injectorManifests, INJECTOR, serveAt, startInjectorProcess, untilInjecting, type InjectorProcess } from './injector.js';

interface Container {
  name: string;
  image?: string;
  env?: Array<{ name: string; value?: string; valueFrom?: object }>;
  volumeMounts?: Array<{ name: string; mountPath: string }>;
  lifecycle?: { preStop?: object };
  securityContext?: object;
  restartPolicy?: string;
}
interface Pod {
  metadata: { name: string; annotations?: Record<string, string>; labels?: Record<string, string> };
  spec: { containers: Container[]; initContainers?: Container[]; volumes?: Array<{ name: string; [source: string]: unknown }> };
}

type Env = Record<string, unknown>;

const REQUIRE = '--require /lane/register.cjs';

let kubernetes: RunningKubernetes;
let api: KubernetesApi;
let injector: InjectorProcess;

const namespace = (name: string, labels: Record<string, string> = {}): object => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
});

beforeAll(async () => {
  kubernetes = await startKubernetes({ controllers: true });
  api = kubernetes.api();
  await kubernetes.apply([
    ...injectorManifests(),
    namespace('asked', { 'lane.dev/injection': 'enabled' }),
    namespace('asked-by-mse', { 'mse-enable': 'enabled' }),
    namespace('not-asked'),
    namespace('restricted', { 'lane.dev/injection': 'enabled', 'pod-security.kubernetes.io/enforce': 'restricted' }),
  ]);
  injector = await startInjectorProcess(kubernetes);
  await serveAt(kubernetes, [injector.port]);
  await Promise.all([untilInjecting(kubernetes), ...['asked', 'asked-by-mse', 'not-asked', 'restricted'].map(untilReady)]);
}, 600_000);
afterAll(async () => {
  api?.close();
  await injector?.stop();
  await kubernetes?.stop();
});

/** Pods are rejected until their namespace has its service account. */
const untilReady = (name: string): Promise<Output> => eventually(() => kubernetes.kubectl(['get', 'serviceaccount', 'default', '-n', name]));

let count = 0;

/** Creates a pod; returns it as stored, with the API server's warnings. */
async function create(
  where: string,
  spec: object = {},
  metadata: object = {},
  query = '',
): Promise<{ pod: Pod; said: readonly string[]; app: Container; env: Env }> {
  const body = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `pod-${++count}`, ...metadata },
    spec: { containers: [{ name: 'app', image: 'registry.example/node:22' }], ...spec },
  };
  const answer = await api.request({ method: 'POST', path: `/api/v1/namespaces/${where}/pods${query}`, body });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return { ...of(answer.body as Pod), said: answer.warnings };
}

function of(pod: Pod): { pod: Pod; app: Container; env: Env } {
  const app = pod.spec.containers[0] as Container;
  return { pod, app, env: envOf(app) };
}

const envOf = ({ env = [] }: Container): Env => Object.fromEntries(env.map(({ name, value, valueFrom }) => [name, value ?? valueFrom]));
const isInjected = ({ spec }: Pod): boolean => spec.volumes?.some(({ name }) => name === 'lane-agent') === true;
const agentOf = ({ spec }: Pod): Container | undefined => spec.initContainers?.find(({ name }) => name === 'lane-agent');
const named = (pod: Pod, name: string): Container =>
  [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find((container) => container.name === name) as Container;

describe('who is injected', () => {
  const node = { image: 'registry.example/node:22' };
  test.each<[string, string, Record<string, string>, object, boolean]>([
    ['nobody asks', 'not-asked', {}, node, false],
    ['its namespace asks', 'asked', {}, node, true],
    ["its namespace asks in MSE's words", 'asked-by-mse', {}, node, true],
    ['it asks', 'not-asked', { 'lane.dev/inject': 'true' }, node, true],
    ["it asks in MSE's words", 'not-asked', { msePilotAutoEnable: 'on', mseNamespace: 'default', msePilotCreateAppName: 'shop' }, node, true],
    ['it asks in both words', 'asked', { msePilotAutoEnable: 'on', 'lane.dev/inject': 'true' }, node, true],
    ['it refuses', 'asked', { 'lane.dev/inject': 'false' }, node, false],
    ["it refuses in MSE's words", 'asked', { msePilotAutoEnable: 'off' }, node, false],
    ["it refuses in our words and asks in MSE's", 'not-asked', { msePilotAutoEnable: 'on', 'lane.dev/inject': 'false' }, node, false],
    ['it runs Java', 'asked', {}, { image: 'mse-governance-demo/spring-cloud-a:3.0.1', env: [{ name: 'JAVA_HOME', value: '/usr/lib/jvm' }] }, false],
    ['it runs nginx', 'asked', { 'lane.dev/inject': 'true' }, { image: 'nginx:1.27' }, false],
    ['it is in a system namespace', 'kube-system', { 'lane.dev/inject': 'true' }, node, false],
  ])('a pod: %s', async (_, where, labels, container, expected) => {
    const { pod, env } = await create(where, { containers: [{ name: 'app', ...container }] }, { labels });
    expect(isInjected(pod)).toBe(expected);
    expect(env['NODE_OPTIONS']).toBe(expected ? REQUIRE : undefined);
    expect(agentOf(pod) !== undefined).toBe(expected);
  });

  test('pods of Deployments, base and gray, get name and tag from the labels of the scenario', async () => {
    const deployment = (name: string, labels: Record<string, string>): object => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace: 'not-asked' },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name, msePilotAutoEnable: 'on', mseNamespace: 'default', msePilotCreateAppName: 'spring-cloud-a', ...labels } },
          spec: { containers: [{ name, image: 'registry.example/shop/spring-cloud-a-node:1' }] },
        },
      },
    });
    await kubernetes.apply([deployment('spring-cloud-a', {}), deployment('spring-cloud-a-new', { 'alicloud.service.tag': 'gray' })]);
    const podsOf = (name: string): Promise<Pod[]> =>
      eventually(async () => {
        const { stdout } = await kubernetes.kubectl(['get', 'pods', '-n', 'not-asked', '-l', `app=${name}`, '-o', 'json']);
        const { items } = JSON.parse(stdout) as { items: Pod[] };
        expect(items).toHaveLength(2);
        return items;
      });
    for (const pod of await podsOf('spring-cloud-a')) {
      expect(of(pod).env).toMatchObject({ NODE_OPTIONS: REQUIRE, LANE_SERVICE: 'spring-cloud-a' });
      expect(of(pod).env).not.toHaveProperty('LANE_TAG');
    }
    for (const pod of await podsOf('spring-cloud-a-new')) expect(of(pod).env).toMatchObject({ LANE_SERVICE: 'spring-cloud-a', LANE_TAG: 'gray' });
  });
});

describe('what is stored', () => {
  test('an init container with the agent, its volume, the labels of the pod, and a preStop hook that drains', async () => {
    const { pod, app } = await create('asked');
    expect(agentOf(pod)).toMatchObject({
      image: 'registry.example/lane-agent:0.1.0',
      volumeMounts: expect.arrayContaining([{ name: 'lane-agent', mountPath: '/lane' }]),
    });
    expect(pod.spec.volumes).toEqual(
      expect.arrayContaining([
        { name: 'lane-agent', emptyDir: { sizeLimit: '64Mi' } },
        expect.objectContaining({
          name: 'lane-podinfo',
          downwardAPI: expect.objectContaining({ items: [{ path: 'labels', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.labels' } }] }),
        }),
      ]),
    );
    expect(app.volumeMounts).toEqual(
      expect.arrayContaining([
        { name: 'lane-agent', mountPath: '/lane', readOnly: true },
        { name: 'lane-podinfo', mountPath: '/etc/podinfo', readOnly: true },
      ]),
    );
    expect(app.lifecycle?.preStop).toEqual({ exec: { command: ['node', '/lane/drain.cjs'] } });
    expect(pod.metadata.annotations?.['lane.dev/status']).toBe('injected: app: image node (its namespace asks for it)');
  });

  test('the app’s NODE_OPTIONS, wherever they come from, followed by ours', async () => {
    const value = await create('asked', {
      containers: [{ name: 'app', image: 'node:22', env: [{ name: 'NODE_OPTIONS', value: '--max-old-space-size=512' }] }],
    });
    expect(value.env['NODE_OPTIONS']).toBe(`--max-old-space-size=512 ${REQUIRE}`);
    const source = { configMapKeyRef: { name: 'settings', key: 'node-options' } };
    const from = await create('asked', { containers: [{ name: 'app', image: 'node:22', env: [{ name: 'NODE_OPTIONS', valueFrom: source }] }] });
    expect(from.app.env?.slice(0, 2)).toEqual([
      { name: 'LANE_APP_NODE_OPTIONS', valueFrom: source },
      { name: 'NODE_OPTIONS', value: `$(LANE_APP_NODE_OPTIONS) ${REQUIRE}` },
    ]);
    const optional = { configMapKeyRef: { ...source.configMapKeyRef, optional: true } };
    const missing = await create('asked', { containers: [{ name: 'app', image: 'node:22', env: [{ name: 'NODE_OPTIONS', valueFrom: optional }] }] });
    expect(missing.env).toMatchObject({ LANE_APP_NODE_OPTIONS: optional, NODE_OPTIONS: `$(LANE_APP_NODE_OPTIONS) ${REQUIRE}` });
  });

  test('changes to the containers that run Node, or that the annotation names, including init containers and native sidecars', async () => {
    const containers = [
      { name: 'app', image: 'node:22' },
      { name: 'proxy', image: 'envoyproxy/envoy:v1.32' },
    ];
    const initContainers = [
      { name: 'migrate', image: 'node:22' },
      { name: 'worker', image: 'shop/worker:1', restartPolicy: 'Always' },
    ];
    const { pod } = await create('asked', { containers, initContainers });
    expect(envOf(named(pod, 'app'))['NODE_OPTIONS']).toBe(REQUIRE);
    for (const name of ['proxy', 'migrate', 'worker']) expect(envOf(named(pod, name))).not.toHaveProperty('NODE_OPTIONS');

    const chosen = await create('asked', { containers, initContainers }, { annotations: { 'lane.dev/containers': 'migrate,worker' } });
    expect(chosen.pod.spec.initContainers?.map(({ name }) => name)).toEqual(['lane-agent', 'migrate', 'worker']);
    for (const name of ['migrate', 'worker']) expect(envOf(named(chosen.pod, name))['NODE_OPTIONS']).toBe(REQUIRE);
    expect(chosen.env).not.toHaveProperty('NODE_OPTIONS');
    expect(named(chosen.pod, 'worker').lifecycle?.preStop).toBeDefined();
  });

  test('a pod that restricted Pod Security accepts, with a read-only root and a non-root user', async () => {
    const securityContext = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } };
    const spec = {
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [{ name: 'app', image: 'node:22', securityContext }],
    };
    const { pod, app, said } = await create('restricted', spec);
    expect(isInjected(pod)).toBe(true);
    expect(said).toEqual([]);
    expect(app.securityContext).toEqual(securityContext);
  });

  test('nothing in a dry run, which still shows the injected pod', async () => {
    const { pod } = await create('asked', {}, { name: 'tried' }, '?dryRun=All');
    expect(isInjected(pod)).toBe(true);
    expect((await api.request({ path: '/api/v1/namespaces/asked/pods/tried' })).status).toBe(404);
    const manifest = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'tried', namespace: 'asked' },
      spec: { containers: [{ name: 'app', image: 'node:22' }] },
    };
    expect((await kubernetes.apply(manifest, 'create', '--dry-run=server', '-o', 'yaml')).stdout).toContain(`value: ${REQUIRE}`);
  });

  test('pods with contradictory labels, with a warning to their creator', async () => {
    const { said, env } = await create('asked', {}, { labels: { 'lane.dev/tag': 'blue', 'alicloud.service.tag': 'gray' } });
    expect(said).toEqual(['lane: labels lane.dev/tag: blue and alicloud.service.tag: gray differ: the first counts']);
    expect(env['LANE_TAG']).toBe('blue');
  });

  test('the same result if a pod is created from an injected one', async () => {
    const first = await create('asked', {}, { labels: { 'lane.dev/tag': 'gray' } });
    const { pod: second } = await create('asked', first.pod.spec, { annotations: first.pod.metadata.annotations, labels: first.pod.metadata.labels });
    expect(second.spec).toEqual(first.pod.spec);
  });
});

describe('beside other webhooks', () => {
  let other: Server;
  afterEach(async () => {
    await kubernetes.kubectl(['delete', 'mutatingwebhookconfiguration', 'zz-sidecar', '--ignore-not-found']);
    other?.close();
  });

  test('a container that one adds after us is also injected, because we are called again; the agent is added once', async () => {
    const { serving, trusted } = await nextState(undefined, ['127.0.0.1'], Date.now());
    other = createTlsServer({ cert: serving.certificate, key: serving.key }, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { request: asked } = JSON.parse(Buffer.concat(chunks).toString()) as { request: { uid: string } };
        const patch = [{ op: 'add', path: '/spec/containers/-', value: { name: 'late', image: 'node:22' } }];
        const answer = { uid: asked.uid, allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer }));
      });
    });
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    await kubernetes.apply({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      // They are called in the order of their names.
      metadata: { name: 'zz-sidecar' },
      webhooks: [
        {
          name: 'sidecar.example.com',
          clientConfig: {
            url: `https://127.0.0.1:${(other.address() as AddressInfo).port}/`,
            caBundle: Buffer.from(trusted.join('\n')).toString('base64'),
          },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
          objectSelector: { matchLabels: { sidecar: 'true' } },
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
        },
      ],
    });
    const { pod } = await eventually(async () => {
      const created = await create('asked', {}, { labels: { sidecar: 'true' } });
      expect(created.pod.spec.containers.map(({ name }) => name)).toEqual(['app', 'late']);
      return created;
    });
    expect(envOf(named(pod, 'app'))).toMatchObject({ NODE_OPTIONS: REQUIRE, LANE_ADMIN_PORT: '19100' });
    expect(envOf(named(pod, 'late'))).toMatchObject({ NODE_OPTIONS: REQUIRE, LANE_ADMIN_PORT: '19101' });
    expect(pod.spec.initContainers).toHaveLength(1);
    expect(pod.spec.volumes?.filter(({ name }) => name.startsWith('lane-'))).toHaveLength(2);
  });
});

describe('another injector that replaces it', () => {
  test('brings the agent in an image volume if configured, even in a restricted namespace', async () => {
    // The API server keeps its connection as long as the old injector answers.
    await injector.stop();
    injector = await startInjectorProcess(kubernetes, ['--delivery', 'image', '--image', 'registry.example/lane-agent-volume:0.1.0']);
    await serveAt(kubernetes, [injector.port]);
    await untilInjecting(kubernetes);
    const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
    const spec = {
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [{ name: 'app', image: 'node:22', securityContext }],
    };
    const { pod, app } = await create('restricted', spec);
    expect(agentOf(pod)).toBeUndefined();
    const reference = 'registry.example/lane-agent-volume:0.1.0';
    expect(pod.spec.volumes).toContainEqual({ name: 'lane-agent', image: { reference, pullPolicy: 'IfNotPresent' } });
    expect(app.volumeMounts).toContainEqual({ name: 'lane-agent', mountPath: '/lane', readOnly: true });
  });
});

describe('pods are still created', () => {
  test('if nothing listens', async () => {
    await injector.stop('SIGKILL');
    expect(isInjected((await create('asked')).pod)).toBe(false);
  });

  test('if nothing answers', async () => {
    let connections = 0;
    const silent = createTcpServer(() => void connections++).listen(0);
    await once(silent, 'listening');
    const shorter = [0, 1, 2, 3].map((index) => ({ op: 'replace', path: `/webhooks/${index}/timeoutSeconds`, value: 1 }));
    await kubernetes.kubectl(['patch', 'mutatingwebhookconfiguration', INJECTOR, '--type=json', '-p', JSON.stringify(shorter)]);
    await serveAt(kubernetes, [(silent.address() as AddressInfo).port]);
    // The API server may need a moment to learn the other port.
    await eventually(async () => {
      expect(isInjected((await create('asked')).pod)).toBe(false);
      expect(connections).toBeGreaterThan(0);
    });
    silent.close();
  });
});
