/** Reads a Service once. */
import type { Instance } from '@lane/core/model';
import { instancesBehind, refersToPods, type EndpointSlice, type KnownPod, type Service } from './endpoint-slices.js';
import type { KubernetesApi } from './kubernetes-api.js';
import { listResources } from './resource-watch.js';
import { knownPod, podsOf, selectorText, servicePath, slicesOf, type PodMetadata } from './service-resources.js';

/**
 * The instances behind a port of a Service, or its first port: none if there is no such Service or port. Rejects with
 * `ELANE_KUBERNETES` if the API server can't be reached or refuses.
 */
export async function listInstances(api: KubernetesApi, namespace: string, name: string, port: number | undefined): Promise<readonly Instance[]> {
  const { status, body } = await api.request({ path: servicePath(namespace, name) });
  const service = body as Service;
  if (status === 404 || service.spec?.type === 'ExternalName') return [];
  const slices = (await listResources<EndpointSlice>(api, slicesOf(namespace, name))).items;
  const selector = selectorText(service.spec?.selector);
  const readPods = async (which: string): Promise<Map<string, KnownPod>> => {
    const { items } = await listResources<PodMetadata>(api, podsOf(namespace, which));
    return new Map(items.map((pod) => [pod.metadata.name, knownPod(pod)]));
  };
  const behind = instancesBehind(service, slices, refersToPods(slices) ? await readPods(selector) : new Map(), port);
  if (behind === undefined || behind.unknownPods.length === 0 || selector === '') return behind?.instances ?? [];
  // Another program writes its slices, with pods that it does not select.
  return instancesBehind(service, slices, await readPods(''), port)?.instances ?? [];
}

/** Names of a namespace's Services, sorted. */
export async function listServices(api: KubernetesApi, namespace: string): Promise<readonly string[]> {
  const { items } = await listResources<PodMetadata>(api, { path: `/api/v1/namespaces/${namespace}/services`, metadataOnly: true });
  return items.map(({ metadata }) => metadata.name).toSorted();
}
