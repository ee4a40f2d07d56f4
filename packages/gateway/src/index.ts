export { GATEWAY_SERVICE, startGateway, type EntryMode, type Gateway, type GatewayOptions, type GatewayTimeouts } from './gateway.js';
export type { Certificate } from './listener.js';
export { accessJson, accessLine, type AccessEntry } from './access-log.js';
export type { Canary, GatewayRoute, PathType, RouteTarget } from './routes.js';
export { ingressRoutes, type IngressOptions, type IngressRoutes } from './ingress/ingress-routes.js';
export type { ManifestFile, ManifestProblem } from './ingress/manifests.js';
export { readCertificate, watchCertificate, type CertificateFiles } from './certificate-files.js';
export * from './export/index.js';
