/** Options of commands that look up services, in Nacos, Kubernetes, or a third party's registry. */
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

/** The options as given: the registry, and the source of lane groups. */
export interface RegistryArguments extends NacosArguments {
  /** `nacos`, `kubernetes`, or the package of a third party's registry. */
  registry: string;
  kubernetes?: string;
  kubernetesNamespace?: string;
  /** A file of lane groups. */
  rules?: string;
}

/** Adds the options of {@link RegistryArguments} except `--rules`. */
export function withRegistryOptions(command: Command): Command {
  return withNacosOptions(
    command
      .addOption(
        new Option('--registry <kind>', 'registry of services: nacos, kubernetes, or a package such as @acme/lane-consul')
          .env('LANE_REGISTRY')
          .argParser(parseRegistry)
          .default('nacos'),
      )
      .addOption(
        new Option(
          '--kubernetes <url>',
          'with --registry kubernetes: URL of the API server; default: in a pod its cluster’s, elsewhere kubectl proxy',
        ).env('LANE_KUBERNETES_SERVER'),
      )
      .option('--kubernetes-namespace <name>', 'namespace of Services given without one; default: that of the pod, else default'),
  );
}

function parseRegistry(value: string): string {
  if (value === 'nacos' || value === 'kubernetes' || isRegistryPackage(value)) return value;
  throw new InvalidArgumentError('Must be nacos, kubernetes, or a package such as @acme/lane-consul.');
}

/** The opened registry and Nacos. */
export interface Opened {
  readonly registry: Registry;
  /** Has the lane groups. undefined: no address of Nacos was given. */
  readonly nacos: NacosConnection | undefined;
  /** The registry's grouping of services: group of Nacos, namespace of Kubernetes. */
  readonly group: string;
  /** The key of a service by the name that people use. Throws if the name is invalid. */
  keyOf(service: string): ServiceKey;
  close(): Promise<void>;
}

/**
 * Opens the registry of `command`'s options. If it is not Nacos, lane groups come from Nacos only if its address is given. `holdProcess`: keeps
 * the process alive until there is an answer. Rejects if Nacos lacks the given namespace.
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
      '--registry kubernetes needs a cluster, and this is not a pod: run kubectl proxy, and pass --kubernetes http://127.0.0.1:8001',
      'ELANE_USAGE',
      EXIT.usage,
    );
  if (!URL.canParse(server) || !/^https?:/.test(server))
    throw new CliError(`--kubernetes ${server} is not a URL: give one such as http://127.0.0.1:8001`, 'ELANE_USAGE', EXIT.usage);
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
      `there is no service account to authenticate to ${server} with: ${(error as Error).message}. In a pod, check automountServiceAccountToken; elsewhere run kubectl proxy, and give its http: address`,
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
        throw new CliError(`${service} is not a Service: must be name, name.namespace or name.namespace.svc`, 'ELANE_USAGE', EXIT.usage);
      return serviceKeyOf(host.name, host.namespace ?? namespace);
    },
    close: async () => void (await Promise.all([registry.close(), nacos?.close()])),
  };
}

/** Opens a third party's registry, installed in the working directory. */
function openOwn(name: string, given: RegistryArguments, command: Command, holdProcess: boolean): Opened {
  let registry: Registry;
  try {
    registry = registryFrom(createRequire(join(process.cwd(), 'index.js'))(name), { log: holdProcess ? SILENT_LOG : TERMINAL_LOG, holdProcess });
  } catch (error) {
    throw new CliError(
      `--registry ${name} can't be used: ${(error as Error).message.split('\n')[0]}. It must be nacos, kubernetes, or an installed package that exports createRegistry`,
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

/** Opens a registry for one piece of work. */
export async function withRegistry<T>(given: RegistryArguments, command: Command, work: (opened: Opened) => Promise<T>): Promise<T> {
  const opened = await openRegistry(given, command, true);
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}

/** The lane groups of the given file, else those in Nacos. */
export async function readRules({ nacos }: Opened, { rules: file }: RegistryArguments): Promise<LaneRules> {
  if (file !== undefined) return compileLaneGroups(await readLaneGroupsFile(file));
  const { document, problems } = await new LaneGroupsStore(nacos ?? noLaneGroups()).read();
  if (problems.length > 0) throw new InvalidLaneGroupsError(problems, 'the stored lane groups are invalid; agents keep the last valid ones');
  return compileLaneGroups(document);
}

/** Throws because there is no source of lane groups. */
export function noLaneGroups(): never {
  throw new CliError('without Nacos as the registry, lane groups need a source: --rules FILE, or --nacos HOST:PORT', 'ELANE_USAGE', EXIT.usage);
}
