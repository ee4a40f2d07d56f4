/** A real API server trusts the injector's own certificates, through their rotation; and the injector has exactly the rights that this needs. */
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { SILENT_LOG } from '@lane/core/model';
import {
  CertificateKeeper,
  INJECT_DEFAULTS,
  nextState,
  readCertificateFiles,
  startInjector,
  type CertificateTimes,
  type InjectorOptions,
  type InjectorServer,
} from '@lane/kubernetes/injector';
import type { KubernetesApi } from '@lane/kubernetes-registry';
import { eventually } from '@lane/testing/eventually';
import { startKubernetes, type KubernetesUser, type RunningKubernetes } from '../../servers/kubernetes/index.js';
import { dataFolder } from '../../servers/process.js';
import {
  injectorManifests,
  INJECTOR,
  NAMESPACE,
  SECRET,
  SECRET_RULE,
  serveAt,
  startInjectorProcess,
  untilInjecting,
  WEBHOOK_RULE,
} from './injector.js';

const HOST = `${INJECTOR}.${NAMESPACE}.svc`;
const SECRET_PATH = `/api/v1/namespaces/${NAMESPACE}/secrets/${SECRET}`;
const WEBHOOK_PATH = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${INJECTOR}`;

let kubernetes: RunningKubernetes;
let admin: KubernetesApi;
let account: KubernetesUser;
const running: Array<{ close(): unknown }> = [];

beforeAll(async () => {
  kubernetes = await startKubernetes();
  admin = kubernetes.api();
}, 600_000);
/** Resets everything to the state after an installation. */
const install = async (): Promise<void> => {
  await kubernetes.apply(injectorManifests());
  account ??= await kubernetes.serviceAccount(NAMESPACE, INJECTOR);
};
afterEach(async () => {
  for (const one of running.splice(0)) await one.close();
  await kubernetes.kubectl(['delete', 'secret', SECRET, '-n', NAMESPACE, '--ignore-not-found']);
  await kubernetes.kubectl(['delete', 'mutatingwebhookconfiguration', INJECTOR, '--ignore-not-found']);
});
afterAll(async () => {
  admin?.close();
  await kubernetes?.stop();
});

function keeper(times?: CertificateTimes): CertificateKeeper {
  const api = kubernetes.api(account);
  running.push(api);
  const names = { namespace: NAMESPACE, secret: SECRET, webhook: INJECTOR, names: [HOST] };
  return new CertificateKeeper({ api, ...names, log: SILENT_LOG, ...(times === undefined ? {} : { times }) });
}

/** An injector in this process, which keeps checking its certificate. */
async function start(keepCertificate: InjectorOptions['keepCertificate']): Promise<InjectorServer> {
  const inject = { ...INJECT_DEFAULTS, image: 'lane-agent:1' };
  const server = await startInjector({ host: '0.0.0.0', port: 0, metricsPort: 0, inject, keepCertificate, intervalMs: 100, log: SILENT_LOG });
  running.push(server);
  return server;
}

interface Webhooks {
  webhooks: Array<{ clientConfig: { caBundle?: string } }>;
}
const bundles = async (): Promise<string[]> => {
  const { webhooks } = (await admin.request({ path: WEBHOOK_PATH })).body as Webhooks;
  return webhooks.map(({ clientConfig }) => Buffer.from(clientConfig.caBundle ?? '', 'base64').toString());
};
const authorities = (pem: string): string[] => pem.match(/-----BEGIN[^]+?-----END CERTIFICATE-----/g) ?? [];

/** Whether a pod that asks for it is injected now. */
async function injects(): Promise<boolean> {
  const body = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'probe', labels: { 'lane.dev/inject': 'true' } },
    spec: { containers: [{ name: 'app', image: 'node:22' }] },
  };
  const { body: pod } = await admin.request({ method: 'POST', path: '/api/v1/namespaces/default/pods?dryRun=All', body });
  return JSON.stringify(pod).includes('lane-agent');
}

describe('its own certificates', () => {
  test('are the same for replicas that start together, stored in the Secret, and trusted by every webhook', async () => {
    await install();
    const served = await Promise.all(Array.from({ length: 5 }, () => keeper().keep()));
    expect(new Set(served.map(({ certificate }) => certificate)).size).toBe(1);
    const [bundle, ...others] = await bundles();
    expect(others).toEqual([bundle, bundle, bundle]);
    expect(new X509Certificate(served[0]?.certificate as string).verify(new X509Certificate(bundle as string).publicKey)).toBe(true);
    // Restored after somebody has applied the manifests again.
    await kubernetes.kubectl([
      'patch',
      'mutatingwebhookconfiguration',
      INJECTOR,
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/webhooks/2/clientConfig/caBundle"}]',
    ]);
    await keeper().keep();
    expect((await bundles())[2]).toBe(bundle);
  });

  test('are replaced, including the authority, while pods are created, and each pod is injected', async () => {
    await install();
    // Backdated by five minutes, and replaced after two thirds of their lifetime: two seconds from now.
    // An API server on a busy machine learns of a new authority before it is used.
    const times = { authorityMs: 153_000, servingMs: 151_500, settleMs: 6_000 };
    const replica = (): Promise<InjectorServer> => {
      const own = keeper(times);
      return start(() => own.keep());
    };
    const replicas = [await replica(), await replica()];
    await serveAt(
      kubernetes,
      replicas.map(({ port }) => port),
    );
    await untilInjecting(kubernetes);
    const seen = new Set<string>();
    for (let pods = 1; seen.size < 3; pods++) {
      expect(await injects(), `pod ${pods}, ${seen.size} authorities having been trusted`).toBe(true);
      for (const authority of authorities((await bundles())[0] as string)) seen.add(authority);
    }
  });

  test('are recreated after the Secret was deleted', async () => {
    await install();
    await keeper().keep();
    await kubernetes.kubectl(['delete', 'secret', SECRET, '-n', NAMESPACE]);
    await install();
    const { certificate } = await keeper().keep();
    expect(new X509Certificate(certificate).verify(new X509Certificate((await bundles())[0] as string).publicKey)).toBe(true);
  });
});

describe('external certificates', () => {
  test('are served from files and reloaded, such as those of cert-manager, without any right in the cluster', async () => {
    await install();
    await kubernetes.kubectl(['delete', 'role,rolebinding', INJECTOR, '-n', NAMESPACE]);
    const folder = dataFolder('cert-manager');
    const made: string[] = [];
    const write = async (): Promise<string> => {
      const { serving, trusted } = await nextState(undefined, [HOST], Date.now());
      writeFileSync(join(folder, 'tls.crt'), serving.certificate);
      writeFileSync(join(folder, 'tls.key'), serving.key);
      made.push(trusted.join('\n'));
      return made.at(-1) as string;
    };
    // cert-manager's cainjector does that.
    const trust = (bundle: string): Promise<unknown> => {
      const value = Buffer.from(bundle).toString('base64');
      const body = [0, 1, 2, 3].map((index) => ({ op: 'add', path: `/webhooks/${index}/clientConfig/caBundle`, value }));
      return admin.request({ method: 'PATCH', path: WEBHOOK_PATH, body, contentType: 'application/json-patch+json' });
    };
    const first = await write();
    await trust(first);
    const files = [join(folder, 'tls.crt'), join(folder, 'tls.key')] as const;
    const injector = await startInjectorProcess(kubernetes, ['--tls-cert', files[0], '--tls-key', files[1]]);
    running.push({ close: () => injector.stop() });
    const inThisProcess = await start(() => readCertificateFiles(...files));
    await serveAt(kubernetes, [injector.port]);
    await untilInjecting(kubernetes);

    expect(await authorityServedBy(inThisProcess.port)).toBe(first);
    const second = await write();
    await eventually(async () => expect(await authorityServedBy(inThisProcess.port)).toBe(second));

    async function authorityServedBy(port: number): Promise<string | undefined> {
      const socket = connect({ port, rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      const certificate = socket.getPeerX509Certificate() as X509Certificate;
      socket.destroy();
      return made.find((authority) => certificate.verify(new X509Certificate(authority).publicKey));
    }
  });
});

describe('the rights of the injector', () => {
  const rules = { Role: SECRET_RULE, ClusterRole: WEBHOOK_RULE };
  const withRules = async (kind: 'Role' | 'ClusterRole', verbs: readonly string[]): Promise<void> => {
    const scope = kind === 'Role' ? ['-n', NAMESPACE] : [];
    await kubernetes.kubectl(['patch', kind, INJECTOR, ...scope, '--type=merge', '-p', JSON.stringify({ rules: [{ ...rules[kind], verbs }] })]);
  };

  test.each([
    ['Role', 'get', 'secrets'],
    ['Role', 'update', 'secrets'],
    ['ClusterRole', 'get', 'mutatingwebhookconfigurations'],
    ['ClusterRole', 'patch', 'mutatingwebhookconfigurations'],
  ] as const)('of its %s it needs to %s %s', async (kind, verb, resource) => {
    await install();
    const { verbs } = rules[kind];
    await withRules(
      kind,
      verbs.filter((other) => other !== verb),
    );
    const can = async (expected: 'yes' | 'no'): Promise<void> => {
      const name = `${resource}/${kind === 'Role' ? SECRET : INJECTOR}`;
      // It exits with code 1 if the answer is no.
      const { stdout } = await kubernetes
        .kubectl(['auth', 'can-i', verb, name, '-n', NAMESPACE], { user: account })
        .catch((error: { stdout: string }) => error);
      expect(stdout.trim().split('\n').pop()).toBe(expected);
    };
    await eventually(() => can('no'));
    await expect(keeper().keep()).rejects.toMatchObject({ code: 'ELANE_KUBERNETES', status: 403 });
    await withRules(kind, verbs);
    await eventually(() => can('yes'));
    await keeper().keep();
  });

  test('are these, and those of every authenticated user', async () => {
    await install();
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace: NAMESPACE } };
    const api = kubernetes.api(account);
    running.push(api);
    const review = (await api.request({ method: 'POST', path: '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', body })).body;
    const { resourceRules } = (review as { status: { resourceRules: Array<{ apiGroups: string[] }> } }).status;
    const ofEverybody = ['authorization.k8s.io', 'authentication.k8s.io'];
    const own = resourceRules.filter(({ apiGroups }) => !apiGroups.some((group) => ofEverybody.includes(group)));
    expect(own).toHaveLength(2);
    expect(own).toEqual(expect.arrayContaining([SECRET_RULE, WEBHOOK_RULE]));
    await expect(api.request({ path: '/api/v1/pods' })).rejects.toMatchObject({ status: 403 });
    await expect(api.request({ path: `/api/v1/namespaces/${NAMESPACE}/secrets` })).rejects.toMatchObject({ status: 403 });
    expect((await admin.request({ path: SECRET_PATH })).status).toBe(200);
  });
});
