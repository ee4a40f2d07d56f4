/** The API objects of a Service, for one-time reads and for watches. */
import type { KnownPod } from './endpoint-slices.js';
import { metadataOfLabels, placeOfLabels, type Labels } from './pod-labels.js';
import type { WatchTarget } from './resource-watch.js';

/** What we need from a pod. */
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

/** Pods by a selector in the API's syntax, empty for all. Metadata only. */
export const podsOf = (namespace: string, selector: string): WatchTarget => ({
  path: `/api/v1/namespaces/${namespace}/pods`,
  query: selector === '' ? {} : { labelSelector: selector },
  metadataOnly: true,
});

/** A Service's selector in the API's syntax. */
export const selectorText = (selector: Labels | undefined): string =>
  Object.entries(selector ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(',');

/** The part of a pod that routing uses. */
export const knownPod = ({ metadata: { uid, labels } }: PodMetadata): KnownPod => ({
  uid,
  metadata: { ...placeOfLabels(labels), ...metadataOfLabels(labels) },
});
