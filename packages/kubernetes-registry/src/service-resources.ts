/** Which objects of the API a Service is made of, for those who read them once and those who watch them. */
import type { KnownPod } from './endpoint-slices.js';
import { metadataOfLabels, placeOfLabels, type Labels } from './pod-labels.js';
import type { WatchTarget } from './resource-watch.js';

/** What is asked of a pod. */
export interface PodMetadata {
  readonly metadata: { readonly name: string; readonly uid?: string; readonly labels?: Labels };
}

/** The path of a Service. */
export const servicePath = (namespace: string, name: string): string => `/api/v1/namespaces/${namespace}/services/${name}`;

/** The EndpointSlices of a Service. */
export const slicesOf = (namespace: string, name: string): WatchTarget => ({
  path: `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
  query: { labelSelector: `kubernetes.io/service-name=${name}` },
});

/** Pods by a selector in the API's words, empty for all. What is in them is nobody's business: labels will do. */
export const podsOf = (namespace: string, selector: string): WatchTarget => ({
  path: `/api/v1/namespaces/${namespace}/pods`,
  query: selector === '' ? {} : { labelSelector: selector },
  metadataOnly: true,
});

/** A Service's selector in the API's words. */
export const selectorText = (selector: Labels | undefined): string =>
  Object.entries(selector ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(',');

/** What routing takes of a pod. */
export const knownPod = ({ metadata: { uid, labels } }: PodMetadata): KnownPod => ({
  uid,
  metadata: { ...placeOfLabels(labels), ...metadataOfLabels(labels) },
});
