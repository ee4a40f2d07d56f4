import { applyPatch } from 'fast-json-patch';
import { describe, expect, test } from 'vitest';
import { INJECT_DEFAULTS, injectPod, type Injection, type InjectOptions } from './inject-pod.js';
import type { Container, Pod } from '../pod.js';

const OPTIONS: InjectOptions = { ...INJECT_DEFAULTS, image: 'lane-agent:1' };
const LABELLED = { 'lane.dev/injection': 'enabled' };

const node = (more: Partial<Container> = {}): Container => ({ name: 'app', image: 'registry.example/node:22', ...more });
const pod = (more: Partial<Pod['spec']> = {}, metadata: Pod['metadata'] = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'shop', ...metadata },
  spec: { containers: [node()], ...more },
});

/** The pod after the patch; a second run must change nothing. */
function inject(given: Pod, namespaceLabels: Record<string, string> = LABELLED, options = OPTIONS): Injection & { pod: Pod } {
  const injection = injectPod(given, namespaceLabels, options);
  const after = applyPatch(structuredClone(given), structuredClone(injection.patch), true).newDocument;
  const again = injectPod(structuredClone(after), namespaceLabels, options);
  expect(again).toMatchObject({ outcome: injection.outcome, status: injection.status, patch: [], warnings: [] });
  return { ...injection, pod: after };
}

const env = (given: Pod, name = 'app'): Record<string, unknown> =>
  Object.fromEntries(
    [...(given.spec.initContainers ?? []), ...given.spec.containers]
      .find((container) => container.name === name)
      ?.env?.map((variable) => [variable.name, variable.value ?? variable.valueFrom]) ?? [],
  );

describe('who is injected', () => {
  const on = { 'lane.dev/inject': 'true' };
  test.each<[string, Record<string, string>, Record<string, string>, boolean]>([
    ['nobody asks', {}, {}, false],
    ['the namespace asks', {}, LABELLED, true],
    ["the namespace asks in MSE's words", {}, { 'mse-enable': 'enabled' }, true],
    ["the namespace refuses in our words and asks in MSE's", {}, { 'lane.dev/injection': 'disabled', 'mse-enable': 'enabled' }, false],
    ['the pod asks', on, {}, true],
    ["the pod asks in MSE's words", { msePilotAutoEnable: 'on' }, {}, true],
    ['the pod refuses', { 'lane.dev/inject': 'false' }, LABELLED, false],
    ["the pod refuses in MSE's words", { msePilotAutoEnable: 'off' }, LABELLED, false],
    ['our word before theirs', { 'lane.dev/inject': 'false', msePilotAutoEnable: 'on' }, {}, false],
  ])('%s', (_name, labels, namespaceLabels, expected) => {
    const given = pod({}, { labels });
    const { outcome, patch } = injectPod(given, namespaceLabels, OPTIONS);
    expect(outcome).toBe(expected ? 'injected' : 'left-alone');
    expect(patch.length > 0).toBe(expected);
  });

  test('a pod can also refuse by annotation', () => {
    const { outcome, patch } = injectPod(pod({}, { annotations: { 'lane.dev/inject': 'disabled' } }), LABELLED, OPTIONS);
    expect({ outcome, patch }).toEqual({ outcome: 'left-alone', patch: [] });
  });

  test.each<[string, Partial<Container>, 'injected' | 'left-alone', string]>([
    ['an image of Node', {}, 'injected', 'app: image node'],
    ['a command of Node', { image: 'shop/a:1', command: ['/usr/local/bin/node', 'server.js'] }, 'injected', 'it runs node'],
    ['Node behind a shell', { image: 'shop/a:1', command: ['sh', '-c', 'wait-for postgres && exec npm start'] }, 'injected', 'it runs npm'],
    ['a variable of Node', { image: 'shop/a:1', env: [{ name: 'NODE_ENV', value: 'production' }] }, 'injected', 'variable NODE_ENV'],
    ['nothing to tell by', { image: 'shop/a:1' }, 'injected', 'unknown what it runs'],
    [
      'the Java of the scenario',
      { image: 'mse-governance-demo/spring-cloud-a:3.0.1', env: [{ name: 'JAVA_HOME', value: '/usr/lib/jvm' }] },
      'left-alone',
      'image spring-cloud-a',
    ],
    ['nginx', { image: 'nginx:1.27' }, 'left-alone', 'image nginx'],
    ["Prometheus' node-exporter", { image: 'quay.io/prometheus/node-exporter:v1.8.2' }, 'left-alone', 'image node-exporter'],
    ['Python', { image: 'shop/a:1', command: ['gunicorn', 'app:app'] }, 'left-alone', 'it runs gunicorn'],
  ])('by its looks: %s', (_name, container, outcome, because) => {
    const injection = inject(pod({ containers: [node(container)] }));
    expect(injection.outcome).toBe(outcome);
    expect(injection.status).toContain(because);
    expect(injection.pod.metadata?.annotations?.['lane.dev/status']).toBe(injection.status);
  });

  test('a Windows pod and a static pod are left alone', () => {
    expect(inject(pod({ os: { name: 'windows' } })).status).toBe('skipped: Windows');
    expect(inject(pod({ nodeSelector: { 'kubernetes.io/os': 'windows' } })).pod.spec.volumes).toBeUndefined();
    expect(inject(pod({}, { annotations: { 'kubernetes.io/config.mirror': 'x' } })).patch).toEqual([]);
  });

  test('of several containers those that run Node, each with its own port', () => {
    const { pod: after } = inject(pod({ containers: [node(), node({ name: 'proxy', image: 'istio/proxyv2:1.24' }), node({ name: 'worker' })] }));
    expect(env(after)).toMatchObject({ NODE_OPTIONS: '--require /lane/register.cjs', LANE_ADMIN_PORT: '19100' });
    expect(env(after, 'proxy')).toEqual({});
    expect(env(after, 'worker')['LANE_ADMIN_PORT']).toBe('19101');
  });

  test('those that the annotation names, including init containers and native sidecars, whatever they run', () => {
    const annotations = { 'lane.dev/containers': 'migrate, sidecar,missing' };
    const migrate = node({ name: 'migrate' });
    const sidecar = node({ name: 'sidecar', image: 'envoy:1', restartPolicy: 'Always' });
    const { pod: after, warnings } = inject(pod({ initContainers: [migrate, sidecar] }, { annotations }));
    expect(after.spec.initContainers?.map(({ name }) => name)).toEqual(['lane-agent', 'migrate', 'sidecar']);
    expect(env(after, 'migrate')).toEqual({ NODE_OPTIONS: '--require /lane/register.cjs' });
    // Kubernetes refuses preStop on an init container that ends by itself.
    expect(after.spec.initContainers?.map(({ lifecycle }) => lifecycle?.preStop !== undefined)).toEqual([false, false, true]);
    expect(env(after)).toEqual({});
    expect(warnings).toEqual(['lane.dev/containers names missing, which the pod does not have']);
  });
});

describe('NODE_OPTIONS', () => {
  const OURS = '--require /lane/register.cjs';
  test.each<[string, Container['env'], Record<string, unknown>]>([
    ['absent', undefined, { NODE_OPTIONS: OURS }],
    ['empty', [{ name: 'NODE_OPTIONS', value: '' }], { NODE_OPTIONS: OURS }],
    ['a value', [{ name: 'NODE_OPTIONS', value: '--max-old-space-size=512' }], { NODE_OPTIONS: `--max-old-space-size=512 ${OURS}` }],
    ['ours already', [{ name: 'NODE_OPTIONS', value: `${OURS} --trace-warnings` }], { NODE_OPTIONS: `${OURS} --trace-warnings` }],
    [
      'a value from a ConfigMap',
      [{ name: 'NODE_OPTIONS', valueFrom: { configMapKeyRef: { name: 'c', key: 'k' } } }],
      { LANE_APP_NODE_OPTIONS: { configMapKeyRef: { name: 'c', key: 'k' } }, NODE_OPTIONS: `$(LANE_APP_NODE_OPTIONS) ${OURS}` },
    ],
  ])('%s', (_name, given, expected) => {
    const after = inject(pod({ containers: [node(given === undefined ? {} : { env: given })] }), LABELLED, { ...OPTIONS, adminPort: undefined }).pod;
    expect(env(after)).toEqual(expected);
  });

  test('a missing optional value expands to nothing, where "$(…)" would keep Node from starting', () => {
    const source = { configMapKeyRef: { name: 'c', key: 'k', optional: true } };
    const after = inject(pod({ containers: [node({ env: [{ name: 'NODE_OPTIONS', valueFrom: source }] })] })).pod;
    expect(after.spec.containers[0]?.env?.slice(0, 3)).toEqual([
      { name: 'LANE_APP_NODE_OPTIONS', value: '' },
      { name: 'LANE_APP_NODE_OPTIONS', valueFrom: source },
      { name: 'NODE_OPTIONS', value: `$(LANE_APP_NODE_OPTIONS) ${OURS}` },
    ]);
  });

  test('warns of what envFrom may set', () => {
    const { warnings } = inject(pod({ containers: [node({ envFrom: [{ configMapRef: { name: 'c' } }] })] }));
    expect(warnings).toEqual([expect.stringContaining('envFrom')]);
  });
});

describe('the agent’s environment', () => {
  test.each<[string, Record<string, string>, Record<string, string>]>([
    ['our labels', { 'lane.dev/service': 'a', 'lane.dev/tag': 'gray' }, { LANE_SERVICE: 'a', LANE_TAG: 'gray' }],
    [
      'labels of the scenario',
      { msePilotCreateAppName: 'spring-cloud-a', 'alicloud.service.tag': 'gray' },
      { LANE_SERVICE: 'spring-cloud-a', LANE_TAG: 'gray' },
    ],
    ['a governance namespace that is mapped', { mseNamespace: 'prod' }, { LANE_NACOS_NAMESPACE: 'id-1' }],
  ])('%s', (_name, labels, expected) => {
    const { pod: after, warnings } = inject(pod({}, { labels }), LABELLED, { ...OPTIONS, governanceNamespaces: { prod: 'id-1' } });
    expect(env(after)).toMatchObject(expected);
    expect(warnings).toEqual([]);
  });

  test('settings of the cluster, over which those of the container take precedence', () => {
    const settings = { LANE_NACOS_SERVER: 'nacos:8848', LANE_LOG: 'info' };
    const given = pod({ containers: [node({ env: [{ name: 'LANE_LOG', value: 'debug' }] })] });
    expect(env(inject(given, LABELLED, { ...OPTIONS, env: settings }).pod)).toMatchObject({ LANE_NACOS_SERVER: 'nacos:8848', LANE_LOG: 'debug' });
  });

  test('contradictory settings cause a warning', () => {
    const labels = { 'lane.dev/tag': 'no.'.repeat(30), 'alicloud.service.tag': 'gray', mseNamespace: 'prod' };
    expect(inject(pod({}, { labels })).warnings).toEqual([
      expect.stringContaining('differ'),
      expect.stringContaining('is not a valid tag'),
      expect.stringContaining('--governance-namespace prod=ID'),
    ]);
  });
});

describe('the pod', () => {
  test('gets an init container that restricted Pod Security accepts and that keeps its quality of service', () => {
    const [agent] = inject(pod()).pod.spec.initContainers ?? [];
    expect(agent).toMatchObject({
      name: 'lane-agent',
      image: 'lane-agent:1',
      resources: { requests: { cpu: '50m', memory: '32Mi' }, limits: { cpu: '50m', memory: '32Mi' } },
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      },
    });
    expect(agent?.['securityContext']).not.toHaveProperty('runAsUser');
    // Otherwise it would inherit root, which contradicts runAsNonRoot: the pod would not start.
    expect(inject(pod({ securityContext: { runAsUser: 0 } })).pod.spec.initContainers?.[0]?.['securityContext']).toHaveProperty('runAsUser', 65532);
  });

  test('gets it before other init containers', () => {
    const { pod: after } = inject(pod({ initContainers: [node({ name: 'migrate' })] }));
    expect(after.spec.initContainers?.map(({ name }) => name)).toEqual(['lane-agent', 'migrate']);
  });

  test('gets an image volume instead if the cluster supports those', () => {
    const { spec } = inject(pod(), LABELLED, { ...OPTIONS, delivery: 'image' }).pod;
    expect(spec.initContainers).toBeUndefined();
    expect(spec.volumes?.[0]).toEqual({ name: 'lane-agent', image: { reference: 'lane-agent:1', pullPolicy: 'IfNotPresent' } });
  });

  test('gets a volume with its labels, unless that path is in use', () => {
    const { spec } = inject(pod()).pod;
    expect(spec.volumes?.[1]).toMatchObject({
      name: 'lane-podinfo',
      downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] },
    });
    expect(spec.containers[0]?.volumeMounts).toEqual([
      { name: 'lane-agent', mountPath: '/lane', readOnly: true },
      { name: 'lane-podinfo', mountPath: '/etc/podinfo', readOnly: true },
    ]);
    const taken = inject(pod({ containers: [node({ volumeMounts: [{ name: 'mine', mountPath: '/etc/podinfo/' }] })] }));
    expect(taken.pod.spec.containers[0]?.volumeMounts?.map(({ name }) => name)).toEqual(['mine', 'lane-agent']);
    expect(taken.warnings).toEqual([expect.stringContaining('/etc/podinfo')]);
  });

  test('is left alone if the path of the agent is in use', () => {
    const { outcome, warnings } = inject(pod({ containers: [node({ volumeMounts: [{ name: 'mine', mountPath: '/lane' }] })] }));
    expect(outcome).toBe('left-alone');
    expect(warnings).toEqual([expect.stringContaining('/lane')]);
  });

  test('is drained before it stops, unless it has its own preStop hook or no port', () => {
    const preStop = (given: Pod, options = OPTIONS): unknown => inject(given, LABELLED, options).pod.spec.containers[0]?.lifecycle?.preStop;
    expect(preStop(pod())).toEqual({ exec: { command: ['node', '/lane/drain.cjs'] } });
    const own = { httpGet: { path: '/bye', port: 80 } };
    const keeping = inject(pod({ containers: [node({ lifecycle: { preStop: own } })] }));
    expect(keeping.pod.spec.containers[0]?.lifecycle?.preStop).toEqual(own);
    expect(keeping.warnings).toEqual([expect.stringContaining('keeps its own preStop')]);
    expect(preStop(pod(), { ...OPTIONS, adminPort: undefined })).toBeUndefined();
    expect(preStop(pod({ hostNetwork: true }))).toBeUndefined();
    expect(preStop(pod({ terminationGracePeriodSeconds: 60 }))).toEqual({ exec: { command: ['node', '/lane/drain.cjs'] } });
    expect(preStop(pod({ terminationGracePeriodSeconds: 15 }))).toEqual({ exec: { command: ['node', '/lane/drain.cjs', '10'] } });
    expect(preStop(pod({ terminationGracePeriodSeconds: 5 }))).toBeUndefined();
  });

  test('a container that another webhook adds after ours is injected on the second run', () => {
    const { pod: after } = inject(pod());
    after.spec.containers.push(node({ name: 'late' }));
    const second = injectPod(after, LABELLED, OPTIONS);
    const { spec } = applyPatch(structuredClone(after), second.patch, true).newDocument;
    expect(env({ spec }, 'late')).toMatchObject({ NODE_OPTIONS: '--require /lane/register.cjs', LANE_ADMIN_PORT: '19101' });
    expect(spec.initContainers).toHaveLength(1);
  });
});
