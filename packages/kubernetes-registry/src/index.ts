export {
  accessInCluster,
  KubernetesApi,
  namespaceInCluster,
  type KubernetesAccess,
  type KubernetesAnswer,
  type KubernetesCall,
  type WatchEvent,
} from './kubernetes-api.js';
export { KubernetesError } from './kubernetes-error.js';
