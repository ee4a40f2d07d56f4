/**
 * A real Kubernetes API, by kube-apiserver and etcd, for one test file: etcd from Debian's etcd-server, the rest built from Go modules
 * by build.mjs, which takes minutes the first time. No kubelet runs: pods are admitted and stored, but never start.
 */
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { KubernetesApi } from '@lane/kubernetes-registry';
import { eventually } from '@lane/testing/eventually';
import { freePort } from '@lane/testing/ports';
import { dataFolder, programOf, startService, type Service, type ServiceProcess } from '../process.js';

const run = promisify(execFile);
const PROGRAMS = join(__dirname, '../../../.cache/kube/bin');
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** The client's identity; `admin` may do everything. */
export interface KubernetesUser {
  readonly token: string;
}

/** The output of a program. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** A running API server, with its own etcd. */
export interface RunningKubernetes {
  /** `https://127.0.0.1:port`. */
  readonly server: string;
  /** Certificates to trust, in PEM, and their file. */
  readonly ca: string;
  readonly caFile: string;
  readonly admin: KubernetesUser;
  /** A client of the API; by default as the admin. */
  api(user?: KubernetesUser): KubernetesApi;
  /** A KUBECONFIG file for kubectl and helm. */
  kubeconfig(user?: KubernetesUser): string;
  /** Runs kubectl; rejects with its output if it fails. `input` is its standard input. */
  kubectl(args: readonly string[], options?: { user?: KubernetesUser; input?: string }): Promise<Output>;
  /** Runs `kubectl apply` (or `create`) with objects or YAML. */
  apply(manifests: object | readonly object[] | string, ...args: string[]): Promise<Output>;
  /** The identity of a service account, as its pods have it. The account must exist. */
  serviceAccount(namespace: string, name: string): Promise<KubernetesUser>;
  /** Kills the API server, like a crash, and starts it again once `meanwhile` is done. */
  crashApiServer(meanwhile: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

/** Options of {@link startKubernetes}. */
export interface KubernetesOptions {
  /** Also runs kube-controller-manager, for pods of Deployments and EndpointSlices of Services. */
  readonly controllers?: boolean;
  /** Further flags of kube-apiserver. */
  readonly flags?: readonly string[];
}

/** The path of a program that is built from Go modules; builds it if necessary. */
export async function kubernetesProgram(name: 'kube-apiserver' | 'kube-controller-manager' | 'kubectl' | 'helm' | 'kustomize'): Promise<string> {
  await run(process.execPath, [join(__dirname, 'build.mjs')], { maxBuffer: MAX_OUTPUT_BYTES });
  return join(PROGRAMS, name);
}

/** Starts an API server on free ports. */
export async function startKubernetes({ controllers = false, flags = [] }: KubernetesOptions = {}): Promise<RunningKubernetes> {
  const program = await kubernetesProgram('kube-apiserver');
  const kubectlProgram = await kubernetesProgram('kubectl');
  const started: Service[] = [];
  const stop = async (): Promise<void> => {
    for (const service of started.reverse()) await service.stop();
  };
  try {
    const etcd = await startEtcd();
    started.push(etcd);
    const folder = dataFolder('kubernetes');
    const port = await freePort();
    const admin: KubernetesUser = { token: 'admin-token' };
    writeFileSync(join(folder, 'tokens.csv'), `${admin.token},admin,admin,system:masters\n`);
    const key = join(folder, 'service-accounts.key');
    writeFileSync(key, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
    const startApiServer = (): Promise<ServiceProcess> =>
      startService(
        program,
        [
          `--etcd-servers=http://127.0.0.1:${etcd.port}`,
          '--bind-address=127.0.0.1',
          `--secure-port=${port}`,
          `--cert-dir=${folder}/certificates`,
          `--token-auth-file=${folder}/tokens.csv`,
          '--authorization-mode=RBAC',
          '--service-cluster-ip-range=10.96.0.0/16',
          '--service-account-issuer=https://kubernetes.default.svc',
          `--service-account-key-file=${key}`,
          `--service-account-signing-key-file=${key}`,
          // It would require the account `default` in each namespace, which a controller creates.
          ...(controllers ? [] : ['--disable-admission-plugins=ServiceAccount']),
          '--feature-gates=ImageVolume=true',
          // Services of webhooks resolve to their endpoints: nothing here provides cluster IPs.
          '--enable-aggregator-routing=true',
          ...flags,
        ],
        /Serving securely on/,
        port,
        folder,
      );
    let apiServer = await startApiServer();
    // The current one: it may have been restarted.
    started.push({ port, stop: () => apiServer.stop() });
    const caFile = join(folder, 'certificates/apiserver.crt');
    const server = `https://127.0.0.1:${port}`;
    const ca = readFileSync(caFile, 'utf8');
    const api = (user = admin): KubernetesApi => new KubernetesApi({ server, ca, token: user.token });
    const kubeconfig = (user = admin): string => {
      const file = join(folder, `${user.token.slice(-16)}.kubeconfig.json`);
      // Write it only once: another kubectl may be reading it.
      if (existsSync(file)) return file;
      const name = 'test';
      const cluster = { server, 'certificate-authority': caFile };
      const contexts = [{ name, context: { cluster: name, user: name } }];
      writeFileSync(
        file,
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'Config',
          clusters: [{ name, cluster }],
          users: [{ name, user }],
          contexts,
          'current-context': name,
        }),
      );
      return file;
    };
    const kubectl: RunningKubernetes['kubectl'] = async (args, { user = admin, input } = {}) => {
      const running = run(kubectlProgram, args, {
        // HOME: there it would cache the API's resources under a port that belongs to another server the next time.
        env: { ...process.env, KUBECONFIG: kubeconfig(user), HOME: folder },
        maxBuffer: MAX_OUTPUT_BYTES,
      });
      running.child.stdin?.end(input ?? '');
      return running;
    };
    const untilReady = async (): Promise<void> => {
      const client = api();
      await eventually(() => client.request({ path: '/readyz' }), { timeoutMs: 60_000 });
      client.close();
    };
    await untilReady();
    if (controllers) started.push(await startControllers(kubeconfig(), key));
    return {
      server,
      ca,
      caFile,
      admin,
      api,
      kubeconfig,
      kubectl,
      apply: (manifests, ...args) => kubectl([...(args.length > 0 ? args : ['apply']), '-f', '-'], { input: toText(manifests) }),
      async serviceAccount(namespace, name) {
        const { stdout } = await kubectl(['create', 'token', name, '--namespace', namespace]);
        return { token: stdout.trim() };
      },
      async crashApiServer(meanwhile) {
        await apiServer.kill();
        await meanwhile();
        apiServer = await startApiServer();
        await untilReady();
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Objects as one list, which kubectl accepts with kinds in any order. */
function toText(manifests: object | readonly object[] | string): string {
  if (typeof manifests === 'string') return manifests;
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: Array.isArray(manifests) ? manifests : [manifests] });
}

async function startEtcd(): Promise<Service> {
  const program = programOf('etcd-server', ['/usr/bin/etcd']);
  const folder = dataFolder('etcd');
  const [port, peerPort] = [await freePort(), await freePort()];
  const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`];
  return startService(
    program,
    [
      `--data-dir=${folder}/data`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      // The data of a test can be lost.
      '--unsafe-no-fsync',
    ],
    /ready to serve client requests|serving (insecure )?client/,
    port,
    folder,
  );
}

async function startControllers(kubeconfig: string, serviceAccountKey: string): Promise<Service> {
  const folder = dataFolder('controllers');
  const port = await freePort();
  return startService(
    await kubernetesProgram('kube-controller-manager'),
    [
      `--kubeconfig=${kubeconfig}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${port}`,
      `--cert-dir=${folder}`,
      `--service-account-private-key-file=${serviceAccountKey}`,
      '--leader-elect=false',
      '--controllers=serviceaccount-controller,deployment-controller,replicaset-controller,namespace-controller',
    ],
    /Serving securely on/,
    port,
    folder,
  );
}
