/** The parts of nacos-sdk-rust-binding-node that are used, and how to get at them. */
import { NacosError } from '../nacos-error.js';
import { messageOf } from '@lane/core/model';

/** Package that speaks gRPC with Nacos. */
const GRPC_BINDING = 'nacos-sdk-rust-binding-node';

/** An instance as the binding has it. */
export interface BindingInstance {
  readonly ip: string;
  readonly port: number;
  readonly weight?: number;
  readonly healthy?: boolean;
  readonly enabled?: boolean;
  readonly ephemeral?: boolean;
  readonly clusterName?: string;
  readonly serviceName?: string;
  readonly metadata?: Record<string, string>;
}

/** Options of both clients. Constructing one blocks the thread until it is connected, or for 4.5 s. */
export interface BindingOptions {
  readonly serverAddr: string;
  readonly namespace: string;
  readonly username?: string;
  readonly password?: string;
  readonly namingPushEmptyProtection?: boolean;
}

/** The binding's naming client. */
export interface BindingNaming {
  registerInstance(service: string, group: string, instance: BindingInstance): Promise<void>;
  deregisterInstance(service: string, group: string, instance: BindingInstance): Promise<void>;
  batchRegisterInstance(service: string, group: string, instances: BindingInstance[]): Promise<void>;
  getAllInstances(service: string, group: string, clusters: string[], subscribe: boolean): Promise<BindingInstance[]>;
}

/** The binding's configuration client. */
export interface BindingConfig {
  getConfigResp(dataId: string, group: string): Promise<{ content: string }>;
  publishConfig(dataId: string, group: string, content: string): Promise<boolean>;
  removeConfig(dataId: string, group: string): Promise<boolean>;
}

/** The package. */
export interface Binding {
  readonly NacosNamingClient: new (options: BindingOptions) => BindingNaming;
  readonly NacosConfigClient: new (options: BindingOptions) => BindingConfig;
}

/** Loads the binding. Throws a NacosError where it is not installed or does not load. */
export function loadBinding(resolve: (id: string) => unknown = require): Binding {
  let loaded: Partial<Binding> | undefined;
  try {
    loaded = resolve(GRPC_BINDING) as Partial<Binding> | undefined;
  } catch (error) {
    throw new NacosError(
      'ELANE_NACOS_BINDING',
      `Nacos over gRPC needs the package ${GRPC_BINDING}, which can't be loaded (${messageOf(error).split('\n')[0]}): npm install ${GRPC_BINDING}, or set LANE_NACOS_TRANSPORT=http`,
      error,
    );
  }
  if (typeof loaded?.NacosNamingClient !== 'function' || typeof loaded.NacosConfigClient !== 'function') {
    throw new NacosError(
      'ELANE_NACOS_BINDING',
      `the package ${GRPC_BINDING} has no NacosNamingClient or no NacosConfigClient: install version 0.8 or a later one`,
    );
  }
  return loaded as Binding;
}
