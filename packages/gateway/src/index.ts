export {
  GATEWAY_SERVICE,
  startGateway,
  type EntryMode,
  type Gateway,
  type GatewayOptions,
  type GatewayLimits,
  type GatewayTimeouts,
} from './gateway.js';
export type { Certificate } from './listen/listener.js';
export { accessJson, accessLine, type AccessEntry } from './access-log.js';
export type { Canary, GatewayRoute, PathType, RouteTarget } from './decide/routes.js';
export { ingressRoutes, type IngressOptions, type IngressRoutes } from './ingress/ingress-routes.js';
export type { ManifestFile, ManifestProblem } from './ingress/manifests.js';
export { readCertificate, watchCertificate, type CertificateFiles } from './listen/certificate-files.js';
export * from './export/index.js';
export { LiveSource, type LiveSourceOptions } from './live/live-source.js';
export { xdsBootstrap, xdsResources, type BootstrapOptions, type XdsResources } from './xds/resources.js';
export { startXdsServer, type XdsServer, type XdsServerOptions } from './xds/xds-server.js';
