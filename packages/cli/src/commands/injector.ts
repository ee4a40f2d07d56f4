import { Command, InvalidArgumentError, Option } from 'commander';
import type { KubernetesAccess, ServingCertificate } from '@lane/kubernetes/injector';
import { parsePort, parseSeconds } from '../arguments.js';
import { CliError } from '../cli-error.js';
import { EXIT } from '../exit-codes.js';
import { announceUntilAskedToStop, TERMINAL_LOG } from '../terminal.js';

/** `lane injector`. */
export function injectorCommand(): Command {
  return new Command('injector')
    .description('start the mutating admission webhook that injects the agent into pods')
    .option('--host <host>', 'address to listen on', '0.0.0.0')
    .option('--port <port>', 'HTTPS port of the webhook', parsePort, 8443)
    .option('--metrics-port <port>', 'HTTP port of /healthz, /readyz and /metrics', parsePort, 8080)
    .requiredOption('--image <image>', 'image with the agent', parseImage)
    .addOption(
      new Option('--delivery <way>', 'how to deliver the agent to a pod: init, an init container; image, an image volume')
        .choices(['init', 'image'])
        .default('init'),
    )
    .option('--env <name=value>', 'variable to set in every container that does not set it; repeatable', parseVariable, {})
    .option('--admin-port <port>', 'LANE_ADMIN_PORT of a pod’s first container; 0: no admin port and no drain', parsePort, 19100)
    .option('--governance-namespace <name=id>', 'Nacos namespace id of a mseNamespace; repeatable', parsePair, {})
    .option('--cpu <quantity>', 'CPU request and limit of the init container', parseQuantity, '50m')
    .option('--memory <quantity>', 'memory request and limit of the init container', parseQuantity, '32Mi')
    .option('--linger <seconds>', 'how long to keep serving after a stop signal, as not ready, until the calls stop', parseSeconds, 0)
    .option('--tls-cert <file>', 'certificate issued elsewhere, for instance by cert-manager; default: generated and kept in a Secret')
    .option('--tls-key <file>', 'key of the certificate')
    .option('--namespace <name>', 'namespace of the injector; default: that of its pod')
    .option('--service <name>', 'name of the injector’s Service', 'lane-injector')
    .option('--secret <name>', 'name of the Secret for the certificates', 'lane-injector-certificates')
    .option('--webhook <name>', 'name of the MutatingWebhookConfiguration that calls the injector', 'lane-injector')
    .option('--json', 'print the listening address as JSON')
    .action(injector);
}

interface InjectorArguments {
  host: string;
  port: number;
  metricsPort: number;
  image: string;
  delivery: 'init' | 'image';
  env: Record<string, string>;
  adminPort: number;
  governanceNamespace: Record<string, string>;
  cpu: string;
  memory: string;
  linger: number;
  tlsCert?: string;
  tlsKey?: string;
  namespace?: string;
  service: string;
  secret: string;
  webhook: string;
  json?: boolean;
}

async function injector(given: InjectorArguments): Promise<void> {
  const { readCertificateFiles, startInjector } = await import('@lane/kubernetes/injector');
  const { tlsCert, tlsKey } = given;
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new CliError('--tls-cert and --tls-key belong together: give both', 'ELANE_USAGE', EXIT.usage);
  const keepCertificate = tlsCert !== undefined && tlsKey !== undefined ? () => readCertificateFiles(tlsCert, tlsKey) : await ownCertificates(given);
  const running = await startInjector({
    host: given.host,
    port: given.port,
    metricsPort: given.metricsPort,
    inject: {
      image: given.image,
      delivery: given.delivery,
      resources: { cpu: given.cpu, memory: given.memory },
      env: given.env,
      adminPort: given.adminPort === 0 ? undefined : given.adminPort,
      governanceNamespaces: given.governanceNamespace,
    },
    keepCertificate,
    log: TERMINAL_LOG,
  }).catch((error: unknown) => {
    throw explained(error as NodeJS.ErrnoException & { port?: number }, given);
  });
  const { port, metricsPort } = running;
  const url = `https://${given.host.includes(':') ? `[${given.host}]` : given.host}:${port}`;
  await announceUntilAskedToStop(
    port,
    given.json === true ? JSON.stringify({ url, port, metricsPort }) : `injector on ${url}, metrics on ${metricsPort}; Ctrl-C ends it`,
  );
  await running.close(given.linger * 1000);
}

/** The usual message names --port, but the metrics have their own option. */
function explained(error: NodeJS.ErrnoException & { port?: number }, { metricsPort }: InjectorArguments): Error {
  if (error.syscall !== 'listen' || error.port !== metricsPort) return error;
  return new CliError(`${error.message}: choose another --metrics-port`, error.code);
}

/** Generates certificates, and keeps them in a Secret with the pod's service account. */
async function ownCertificates(given: InjectorArguments): Promise<() => Promise<ServingCertificate>> {
  const { CertificateKeeper, KubernetesApi } = await import('@lane/kubernetes/injector');
  const { access, namespace } = await account(given.namespace);
  const host = `${given.service}.${namespace}.svc`;
  const keeper = new CertificateKeeper({
    api: new KubernetesApi(access, { holdProcess: true }),
    namespace,
    secret: given.secret,
    webhook: given.webhook,
    names: [host, `${host}.cluster.local`],
    log: TERMINAL_LOG,
  });
  return () => keeper.keep();
}

/** The pod's service account and namespace. */
async function account(asked: string | undefined): Promise<{ access: KubernetesAccess; namespace: string }> {
  const { accessInCluster, namespaceInCluster } = await import('@lane/kubernetes/injector');
  const folder = process.env['LANE_KUBERNETES_ACCOUNT'];
  const remedy = 'or pass certificates issued elsewhere: --tls-cert and --tls-key';
  let access: KubernetesAccess | undefined;
  try {
    access = accessInCluster(process.env, folder);
  } catch (error) {
    const cause = `the pod has no service account to manage certificates with: ${(error as Error).message}`;
    throw new CliError(`${cause}; set automountServiceAccountToken: true, ${remedy}`, 'ELANE_NOT_IN_CLUSTER');
  }
  if (access === undefined)
    throw new CliError(`certificates can be generated only in a cluster: start it in a pod, as the chart does, ${remedy}`, 'ELANE_NOT_IN_CLUSTER');
  const namespace = asked ?? namespaceInCluster(folder);
  if (namespace === undefined) throw new CliError('the namespace of the pod is unknown: add --namespace', 'ELANE_NOT_IN_CLUSTER');
  return { access, namespace };
}

/** Reject here what Kubernetes rejects in a pod: otherwise it would reject every injected pod. */
function parseImage(text: string): string {
  if (!/^[^\s]+$/.test(text)) throw new InvalidArgumentError('expected the name of an image, such as registry.example.com/lane-agent:0.1.0.');
  return text;
}

function parseQuantity(text: string): string {
  if (!/^\d+(\.\d+)?(m|k|M|G|Ki|Mi|Gi)?$/.test(text)) throw new InvalidArgumentError('expected a Kubernetes quantity, such as 50m or 32Mi.');
  return text;
}

function parseVariable(text: string, before: Record<string, string>): Record<string, string> {
  if (!/^[A-Za-z_.-][\w.-]*=/.test(text)) throw new InvalidArgumentError('expected NAME=value, with a name of letters, digits, _, . and -.');
  return parsePair(text, before);
}

function parsePair(text: string, before: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('expected name=value.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
