export { review, type AdmissionReview } from './admission.js';
export type { AgentResources, Delivery } from './agent-volume.js';
export { readCertificateFiles } from './certificate-files.js';
export { CertificateKeeper, type CertificateKeeperOptions } from './certificate-keeper.js';
export { CERTIFICATE_TIMES, nextState, type CertificateState, type CertificateTimes } from './certificates.js';
export { INJECT_DEFAULTS, injectPod, type Injection, type InjectOptions } from './inject-pod.js';
export { startInjector, type InjectorOptions } from './injector.js';
export type { InjectorServer, ServingCertificate } from './server.js';
export { accessInCluster, KubernetesApi, namespaceInCluster, type KubernetesAccess } from '@lane/kubernetes-registry';
