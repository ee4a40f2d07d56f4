import { Command, InvalidArgumentError, Option } from 'commander';
import type { KubernetesAccess, ServingCertificate } from '@lane/kubernetes/injector';
import { parsePort, parseSeconds } from '../arguments.js';
import { CliError } from '../cli-error.js';
import { EXIT } from '../exit-codes.js';
import { announce, TERMINAL_LOG, untilAskedToStop } from '../terminal.js';

/** `lane injector`. */
export function injectorCommand(): Command {
  return new Command('injector')
    .description('start the mutating admission webhook that injects the agent into pods')
    .option('--host <host>', 'address to listen on', '0.0.0.0')
    .option('--port <port>', 'port of the webhook, HTTPS', parsePort, 8443)
    .option('--metrics-port <port>', 'port of /healthz, /readyz and /metrics, HTTP', parsePort, 8080)
    .requiredOption('--image <image>', 'image with the agent', parseImage)
    .addOption(
      new Option('--delivery <way>', 'how the agent gets into a pod: init, by an init container; image, as an image volume')
        .choices(['init', 'image'])
        .default('init'),
    )
    .option('--env <name=value>', 'variable to set in all containers that lack it; repeatable', parseVariable, {})
    .option('--admin-port <port>', 'LANE_ADMIN_PORT of the first container of a pod; 0: none, and no drain', parsePort, 19100)
    .option('--governance-namespace <name=id>', 'namespace id in Nacos of a mseNamespace; repeatable', parsePair, {})
    .option('--cpu <quantity>', 'request and limit of the init container', parseQuantity, '50m')
    .option('--memory <quantity>', 'request and limit of the init container', parseQuantity, '32Mi')
    .option('--linger <seconds>', 'how long to keep serving after a stop signal, not ready, until nobody calls any more', parseSeconds, 0)
    .option('--tls-cert <file>', 'certificate from elsewhere, such as cert-manager; default: generated, and kept in a Secret')
    .option('--tls-key <file>', 'its key')
    .option('--namespace <name>', 'namespace of the injector; default: that of its pod')
    .option('--service <name>', 'Service of the injector', 'lane-injector')
    .option('--secret <name>', 'Secret for the certificates', 'lane-injector-certificates')
    .option('--webhook <name>', 'MutatingWebhookConfiguration that calls the injector', 'lane-injector')
    .option('--json', 'say where it listens as JSON')
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
  announce(port, given.json === true ? JSON.stringify({ url, port, metricsPort }) : `injector on ${url}, metrics on ${metricsPort}; Ctrl-C ends it`);
  await untilAskedToStop();
  await running.close(given.linger * 1000);
}

/** The metrics' port has an option of its own, which the usual message does not name. */
function explained(error: NodeJS.ErrnoException & { port?: number }, { metricsPort }: InjectorArguments): Error {
  if (error.syscall !== 'listen' || error.port !== metricsPort) return error;
  return new CliError(`${error.message}: choose another --metrics-port`, error.code);
}

/** Certificates of our own, kept in a Secret by the service account of the pod. */
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

/** Who the pod is, and where. */
async function account(asked: string | undefined): Promise<{ access: KubernetesAccess; namespace: string }> {
  const { accessInCluster, namespaceInCluster } = await import('@lane/kubernetes/injector');
  const folder = process.env['LANE_KUBERNETES_ACCOUNT'];
  const remedy = 'or have certificates made by somebody else: --tls-cert and --tls-key';
  let access: KubernetesAccess | undefined;
  try {
    access = accessInCluster(process.env, folder);
  } catch (error) {
    const cause = `the pod has no service account to make certificates with: ${(error as Error).message}`;
    throw new CliError(`${cause}; set automountServiceAccountToken: true, ${remedy}`, 'ELANE_NOT_IN_CLUSTER');
  }
  if (access === undefined)
    throw new CliError(`outside a cluster no certificates can be made: start it in a pod, as the chart does, ${remedy}`, 'ELANE_NOT_IN_CLUSTER');
  const namespace = asked ?? namespaceInCluster(folder);
  if (namespace === undefined) throw new CliError('the pod is not told its namespace: add --namespace', 'ELANE_NOT_IN_CLUSTER');
  return { access, namespace };
}

/** What Kubernetes would refuse in a pod has to be refused here: it would refuse every pod that is injected. */
function parseImage(text: string): string {
  if (!/^[^\s]+$/.test(text)) throw new InvalidArgumentError('the name of an image is expected, such as registry.example.com/lane-agent:0.1.0.');
  return text;
}

function parseQuantity(text: string): string {
  if (!/^\d+(\.\d+)?(m|k|M|G|Ki|Mi|Gi)?$/.test(text))
    throw new InvalidArgumentError('a quantity as Kubernetes writes it is expected, such as 50m or 32Mi.');
  return text;
}

function parseVariable(text: string, before: Record<string, string>): Record<string, string> {
  if (!/^[A-Za-z_.-][\w.-]*=/.test(text)) throw new InvalidArgumentError('NAME=value is expected, with a name of letters, digits, _, . and -.');
  return parsePair(text, before);
}

function parsePair(text: string, before: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('name=value is expected.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
