export { describeAbsence } from './absence.js';
export {
  accessByAccount,
  accessInCluster,
  KubernetesApi,
  namespaceInCluster,
  type KubernetesAccess,
  type KubernetesAnswer,
  type KubernetesCall,
  type WatchEvent,
} from './kubernetes-api.js';
export { KubernetesError } from './kubernetes-error.js';
export { KubernetesRegistry, serviceKeyOf } from './kubernetes-registry.js';
export { metadataOfLabels, MSE_TAG_LABEL, TAG_LABEL } from './pod-labels.js';
export { parseServiceHost } from './service-host.js';
export type { Absence } from './watched-service.js';
