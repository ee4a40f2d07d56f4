export { connectNacos, type CheckResult, type NacosConnection, type NacosNamespace, type NacosOptions, type Registration } from './connection.js';
export { NacosError, type NacosErrorCode } from './nacos-error.js';
export { DEFAULT_CLUSTER, DEFAULT_GROUP, type NacosInstance } from './nacos-instance.js';
export { parseServers, type ServerAddress } from './server-address.js';
export {
  LaneNaming,
  type AppRegistration,
  type Clusters,
  type ConnectionInfo,
  type LaneNamingOptions,
  type PendingRegistration,
  type RegistrationAnnouncement,
  type RegistrationGate,
  type ViewOptions,
} from './sdk/lane-naming.js';
export { decorate, decorateClass, type AdapterMethods, type AnyFunction, type MakeMethod, type SdkAdapter } from './sdk/adapter.js';
export { nacosAdapter, nacosGrpcAdapter } from './sdk/index.js';
