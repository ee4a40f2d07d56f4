import { Command, InvalidArgumentError, Option } from 'commander';
import { parsePort, parseSeconds } from '../arguments.js';
import { CliError } from '../cli-error.js';
import { announce, TERMINAL_LOG, untilAskedToStop } from '../terminal.js';

/** `lane injector`. */
export function injectorCommand(): Command {
  return new Command('injector')
    .description('start the mutating admission webhook that brings the agent into pods')
    .option('--host <host>', 'address to listen on', '0.0.0.0')
    .option('--port <port>', 'port of the webhook, HTTPS', parsePort, 8443)
    .option('--metrics-port <port>', 'port of /healthz, /readyz and /metrics, HTTP', parsePort, 8080)
    .requiredOption('--image <image>', 'image with the agent')
    .addOption(
      new Option('--delivery <way>', 'how the agent comes into a pod: init, by an init container; image, as an image volume')
        .choices(['init', 'image'])
        .default('init'),
    )
    .option('--env <name=value>', 'variable for all containers; may be given several times', parsePair, {})
    .option('--admin-port <port>', 'LANE_ADMIN_PORT of the first container of a pod; 0: none, and no drain', parsePort, 19100)
    .option('--governance-namespace <name=id>', 'namespace in Nacos of a mseNamespace; may be given several times', parsePair, {})
    .option('--cpu <quantity>', 'request and limit of the init container', '50m')
    .option('--memory <quantity>', 'request and limit of the init container', '32Mi')
    .option('--linger <seconds>', 'how long to go on serving when asked to stop, not ready, until nobody calls any more', parseSeconds, 0)
    .option('--tls-cert <file>', 'certificate made by somebody else, such as cert-manager; default: made here, and kept in a Secret')
    .option('--tls-key <file>', 'its key')
    .option('--namespace <name>', 'namespace of the injector; default: that of its pod')
    .option('--service <name>', 'Service of the injector', 'lane-injector')
    .option('--secret <name>', 'Secret for the certificates', 'lane-injector-certificates')
    .option('--webhook <name>', 'MutatingWebhookConfiguration that calls the injector', 'lane-injector')
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
}

async function injector(given: InjectorArguments): Promise<void> {
  const { readCertificateFiles, startInjector } = await import('@lane/kubernetes/injector');
  const { tlsCert, tlsKey } = given;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) throw new CliError('--tls-cert and --tls-key go together', 'ELANE_CLI', 2);
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
  });
  announce(running.port, `injector on https://${given.host}:${running.port}, metrics on ${running.metricsPort}; Ctrl-C ends it`);
  await untilAskedToStop();
  await running.close(given.linger * 1000);
}

/** Certificates of our own, kept in a Secret by the service account of the pod. */
async function ownCertificates(given: InjectorArguments): Promise<() => Promise<{ certificate: string; key: string; notAfter: number }>> {
  const { accessInCluster, CertificateKeeper, KubernetesApi, namespaceInCluster } = await import('@lane/kubernetes/injector');
  const folder = process.env['LANE_KUBERNETES_ACCOUNT'];
  const access = accessInCluster(process.env, folder);
  const namespace = given.namespace ?? namespaceInCluster(folder);
  if (access === undefined || namespace === undefined)
    throw new CliError('outside a cluster no certificates can be made: add --tls-cert and --tls-key', 'ELANE_NOT_IN_CLUSTER');
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

function parsePair(text: string, before: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('name=value is expected.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
