/** The injector in a cluster: the resources of its manifests, and `lane injector` as a process, at an address that the API server can reach. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@lane/testing/eventually';
import type { KubernetesUser, RunningKubernetes } from '../../servers/kubernetes/index.js';
import { dataFolder } from '../../servers/process.js';

/** Default names of `lane injector`. */
export const NAMESPACE = 'lane-system';
export const INJECTOR = 'lane-injector';
export const SECRET = 'lane-injector-certificates';

/** The rights of an injector with its own certificates. */
export const SECRET_RULE = { apiGroups: [''], resources: ['secrets'], resourceNames: [SECRET], verbs: ['get', 'update'] };
export const WEBHOOK_RULE = {
  apiGroups: ['admissionregistration.k8s.io'],
  resources: ['mutatingwebhookconfigurations'],
  resourceNames: [INJECTOR],
  verbs: ['get', 'patch'],
};

const PODS = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: 'Namespaced' }];
const NOT_OURS = { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', NAMESPACE] };
const ON = ['true', 'enabled', 'on'];
const OFF = ['false', 'disabled', 'off'];

/** A webhook for each way to ask for injection: a namespace with our label, one with MSE's, and the pod itself. */
export function webhookConfiguration(): object {
  const common = {
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    failurePolicy: 'Ignore',
    reinvocationPolicy: 'IfNeeded',
    timeoutSeconds: 5,
    rules: PODS,
  };
  const at = (path: string): object => ({ clientConfig: { service: { namespace: NAMESPACE, name: INJECTOR, path, port: 443 } } });
  const webhook = (name: string, path: string, namespaceExpressions: object[], objectSelectors: object = {}): object => ({
    name,
    ...common,
    ...at(path),
    namespaceSelector: { matchExpressions: [NOT_OURS, ...namespaceExpressions] },
    ...objectSelectors,
  });
  const asks = (key: string): object => ({ objectSelector: { matchExpressions: [{ key, operator: 'In', values: ON }] } });
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: INJECTOR },
    webhooks: [
      webhook('namespace.injector.lane.dev', '/inject/namespace', [{ key: 'lane.dev/injection', operator: 'In', values: ON }]),
      webhook('mse-namespace.injector.lane.dev', '/inject/namespace', [
        { key: 'mse-enable', operator: 'In', values: ON },
        { key: 'lane.dev/injection', operator: 'NotIn', values: OFF },
      ]),
      webhook('pod.injector.lane.dev', '/inject/pod', [], asks('lane.dev/inject')),
      webhook('mse-pod.injector.lane.dev', '/inject/pod', [], asks('msePilotAutoEnable')),
    ],
  };
}

/** Everything except the injector itself. */
export function injectorManifests(): object[] {
  const metadata = { name: INJECTOR, namespace: NAMESPACE };
  const subjects = [{ kind: 'ServiceAccount', ...metadata }];
  const rbac = 'rbac.authorization.k8s.io';
  const bind = (kind: 'Role' | 'ClusterRole', rules: object[]): object[] => [
    { apiVersion: `${rbac}/v1`, kind, metadata, rules },
    { apiVersion: `${rbac}/v1`, kind: `${kind}Binding`, metadata, subjects, roleRef: { apiGroup: rbac, kind, name: INJECTOR } },
  ];
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    { apiVersion: 'v1', kind: 'Secret', metadata: { ...metadata, name: SECRET } },
    ...bind('Role', [SECRET_RULE]),
    ...bind('ClusterRole', [WEBHOOK_RULE]),
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ name: 'webhook', port: 443, targetPort: 'webhook' }] } },
    webhookConfiguration(),
  ];
}

/** A folder like /var/run/secrets/kubernetes.io/serviceaccount in pods. */
export function accountFolder(kubernetes: RunningKubernetes, user: KubernetesUser, namespace: string): string {
  const folder = dataFolder('account');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'token'), user.token);
  writeFileSync(join(folder, 'ca.crt'), kubernetes.ca);
  writeFileSync(join(folder, 'namespace'), namespace);
  return folder;
}

/** The environment with which pods find the API server, and where tests keep other mounted files. */
export function podEnvironment(kubernetes: RunningKubernetes, user: KubernetesUser, namespace: string): Record<string, string> {
  const { hostname, port } = new URL(kubernetes.server);
  return { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port, LANE_KUBERNETES_ACCOUNT: accountFolder(kubernetes, user, namespace) };
}

/** A running `lane injector`. */
export interface InjectorProcess {
  readonly port: number;
  readonly child: ChildProcess;
  output(): string;
  /** Stops it as Kubernetes does, or kills it. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

const LANE = join(__dirname, '../../../packages/cli/dist/main.js');
const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** Starts it with the rights of its service account. */
export async function startInjectorProcess(kubernetes: RunningKubernetes, args: readonly string[] = []): Promise<InjectorProcess> {
  const user = await kubernetes.serviceAccount(NAMESPACE, INJECTOR);
  const child = fork(LANE, ['injector', '--port', '0', '--metrics-port', '0', '--image', 'registry.example/lane-agent:0.1.0', ...args], {
    env: { ...process.env, ...podEnvironment(kubernetes, user, NAMESPACE) },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close');
  const told = await Promise.race([once(child, 'message'), ended.then(() => undefined)]);
  if (told === undefined) throw new Error(`lane injector ended: ${output}`);
  const { port } = told[0] as { port: number };
  return {
    port,
    child,
    output: () => output,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      await ended;
      running.delete(child);
    },
  };
}

/** An address of this machine that is not loopback, which endpoints may not have. */
export function reachableAddress(): string {
  const found = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === 'IPv4' && !one.internal);
  if (found === undefined) throw new Error('this machine has only loopback addresses, which the API server rejects as endpoints of a Service');
  return found.address;
}

/** Makes the Service lead to these ports, as to the injector's pods; resolves once a pod that asks for it is injected. */
export async function serveAt(kubernetes: RunningKubernetes, ports: readonly number[]): Promise<void> {
  await kubernetes.apply(
    ports.map((port, index) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${INJECTOR}-${index}`, namespace: NAMESPACE, labels: { 'kubernetes.io/service-name': INJECTOR } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [reachableAddress()], conditions: { ready: true } }],
      ports: [{ name: 'webhook', port, protocol: 'TCP' }],
    })),
  );
}

/** Resolves once the API server calls the injector: it learns of webhooks and endpoints a moment after they are created. */
export async function untilInjecting(kubernetes: RunningKubernetes): Promise<void> {
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'probe', namespace: 'default', labels: { 'lane.dev/inject': 'true' } } };
  await eventually(async () => {
    const spec = { containers: [{ name: 'app', image: 'node:22' }] };
    const { stdout } = await kubernetes.apply({ ...pod, spec }, 'create', '--dry-run=server', '-o', 'json');
    if (!stdout.includes('lane-agent')) throw new Error('the API server does not call the injector');
  });
}
