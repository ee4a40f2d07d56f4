/** Options of commands that look at services: those in Nacos, or in Kubernetes for those who have no Nacos. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { compileLaneGroups, type LaneRules } from '@lane/core/rules';
import { kubernetesServerOf } from '@lane/core/agent';
import { isRegistryPackage, registryFrom, SILENT_LOG, type Registry, type ServiceKey } from '@lane/core/model';
import { InvalidLaneGroupsError, LaneGroupsStore } from '@lane/storage';
import type { NacosConnection } from '@lane/nacos-registry';
import { CliError } from './cli-error.js';
import { EXIT } from './exit-codes.js';
import { readLaneGroupsFile } from './lane-groups-file.js';
import { connectAsAsked, expectNamespace, withNacosOptions, type NacosArguments } from './nacos-options.js';
import { TERMINAL_LOG } from './terminal.js';

/** Where services are found, and lane groups are kept, as given. */
export interface RegistryArguments extends NacosArguments {
  /** `nacos`, `kubernetes`, or the package of a third party's registry. */
  registry: string;
  kubernetes?: string;
  kubernetesNamespace?: string;
  /** A file of lane groups. */
  rules?: string;
}

/** Adds the options of {@link RegistryArguments} but `--rules`. */
export function withRegistryOptions(command: Command): Command {
  return withNacosOptions(
    command
      .addOption(
        new Option('--registry <kind>', 'where services are found: nacos, kubernetes, or a package such as @acme/lane-consul')
          .env('LANE_REGISTRY')
          .argParser(parseRegistry)
          .default('nacos'),
      )
      .addOption(
        new Option(
          '--kubernetes <url>',
          'with --registry kubernetes: URL of its API server; default: the cluster’s own in a pod, kubectl proxy elsewhere',
        ).env('LANE_KUBERNETES_SERVER'),
      )
      .option('--kubernetes-namespace <name>', 'namespace of Services named without one; default: the pod’s own, else default'),
  );
}

function parseRegistry(value: string): string {
  if (value === 'nacos' || value === 'kubernetes' || isRegistryPackage(value)) return value;
  throw new InvalidArgumentError('Accepted are nacos, kubernetes, or a package such as @acme/lane-consul.');
}

/** Where to look. */
export interface Opened {
  readonly registry: Registry;
  /** Where lane groups are kept. undefined: no Nacos is named, or none is wanted. */
  readonly nacos: NacosConnection | undefined;
  /** What the registry has services grouped by: group of Nacos, namespace of Kubernetes. */
  readonly group: string;
  /** The key of a service as people name it. Throws where it is none. */
  keyOf(service: string): ServiceKey;
  close(): Promise<void>;
}

/**
 * Opens what the options of `command` ask for. Where services are found by Kubernetes, Nacos is asked for lane groups only where it is
 * named. `holdProcess`: an answer is waited for. Rejects where Nacos has no namespace as given.
 */
export async function openRegistry(given: RegistryArguments, command: Command, holdProcess = false): Promise<Opened> {
  const opened = await open(given, command, holdProcess);
  try {
    if (opened.nacos !== undefined) await expectNamespace(opened.nacos, given);
  } catch (error) {
    await opened.close();
    throw error;
  }
  return opened;
}

async function open(given: RegistryArguments, command: Command, holdProcess: boolean): Promise<Opened> {
  if (given.registry === 'nacos') {
    const nacos = connectAsAsked(given, holdProcess);
    const group = given.nacosGroup ?? 'DEFAULT_GROUP';
    return { registry: nacos, nacos, group, keyOf: (name) => ({ name, group }), close: () => nacos.close() };
  }
  if (given.registry !== 'kubernetes') return openOwn(given.registry, given, command, holdProcess);
  const { accessByAccount, KubernetesRegistry, namespaceInCluster, parseServiceHost, serviceKeyOf } = await import('@lane/kubernetes-registry');
  const server = given.kubernetes ?? kubernetesServerOf(process.env);
  if (server === undefined)
    throw new CliError(
      '--registry kubernetes needs a cluster, and this is no pod of one: run kubectl proxy, and give --kubernetes http://127.0.0.1:8001',
      'ELANE_USAGE',
      EXIT.usage,
    );
  if (!URL.canParse(server) || !/^https?:/.test(server))
    throw new CliError(`--kubernetes ${server} is no URL: give one such as http://127.0.0.1:8001`, 'ELANE_USAGE', EXIT.usage);
  const account = process.env['LANE_KUBERNETES_ACCOUNT'];
  const namespace = given.kubernetesNamespace ?? namespaceInCluster(account) ?? 'default';
  let registry: InstanceType<typeof KubernetesRegistry>;
  try {
    registry = new KubernetesRegistry({
      access: accessByAccount(server, account),
      namespace: namespaceInCluster(account) ?? namespace,
      log: holdProcess ? SILENT_LOG : TERMINAL_LOG,
      holdProcess,
    });
  } catch (error) {
    throw new CliError(
      `there is no service account to ask ${server} with: ${(error as Error).message}. In a pod, see to automountServiceAccountToken; elsewhere run kubectl proxy, and give its http: address`,
      'ELANE_KUBERNETES',
    );
  }
  const nacos = command.getOptionValueSource('nacos') === 'default' ? undefined : connectAsAsked(given, holdProcess);
  return {
    registry,
    nacos,
    group: namespace,
    keyOf(service) {
      const host = parseServiceHost(service);
      if (host === undefined)
        throw new CliError(`${service} is no Service: accepted are name, name.namespace and name.namespace.svc`, 'ELANE_USAGE', EXIT.usage);
      return serviceKeyOf(host.name, host.namespace ?? namespace);
    },
    close: async () => void (await Promise.all([registry.close(), nacos?.close()])),
  };
}

/** Opens a third party's registry, which is installed where the command is started. */
function openOwn(name: string, given: RegistryArguments, command: Command, holdProcess: boolean): Opened {
  let registry: Registry;
  try {
    registry = registryFrom(createRequire(join(process.cwd(), 'index.js'))(name), { log: holdProcess ? SILENT_LOG : TERMINAL_LOG, holdProcess });
  } catch (error) {
    throw new CliError(
      `--registry ${name} can't be used: ${(error as Error).message.split('\n')[0]}. Accepted are nacos, kubernetes, or an installed package that exports createRegistry`,
      'ELANE_USAGE',
      EXIT.usage,
    );
  }
  const nacos = command.getOptionValueSource('nacos') === 'default' ? undefined : connectAsAsked(given, holdProcess);
  const group = registry.defaultGroup;
  return {
    registry,
    nacos,
    group,
    keyOf: (service) => ({ name: service, group }),
    close: async () => void (await Promise.all([registry.close(), nacos?.close()])),
  };
}

/** Opens it for one piece of work. */
export async function withRegistry<T>(given: RegistryArguments, command: Command, work: (opened: Opened) => Promise<T>): Promise<T> {
  const opened = await openRegistry(given, command, true);
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}

/** The lane groups: of the file that is given, else those in force in Nacos. */
export async function readRules({ nacos }: Opened, { rules: file }: RegistryArguments): Promise<LaneRules> {
  if (file !== undefined) return compileLaneGroups(await readLaneGroupsFile(file));
  const { document, problems } = await new LaneGroupsStore(nacos ?? noLaneGroups()).read();
  if (problems.length > 0) throw new InvalidLaneGroupsError(problems, 'the stored lane groups are not valid, and agents go by the last good ones');
  return compileLaneGroups(document);
}

/** Nobody knows the lane groups. */
export function noLaneGroups(): never {
  throw new CliError(
    'without Nacos as the registry, lane groups are in a file (--rules FILE), or in a Nacos that is named (--nacos HOST:PORT)',
    'ELANE_USAGE',
    EXIT.usage,
  );
}
