/** The admission webhook: a review in, a review out. */
import { injectPod, type Injection, type InjectOptions } from './inject-pod.js';
import { NAMESPACE_LABEL } from './names.js';
import type { Pod } from '../pod.js';

/** The part of `admission.k8s.io/v1` that we use. */
export interface AdmissionReview {
  apiVersion: 'admission.k8s.io/v1';
  kind: 'AdmissionReview';
  request?: AdmissionRequest;
  response?: AdmissionResponse;
}

/** The API server's request. */
export interface AdmissionRequest {
  uid: string;
  kind?: { group: string; version: string; kind: string };
  operation?: string;
  namespace?: string;
  dryRun?: boolean;
  object?: unknown;
}

/** The answer. */
export interface AdmissionResponse {
  uid: string;
  allowed: true;
  patchType?: 'JSONPatch';
  /** Base64. */
  patch?: string;
  warnings?: string[];
}

/** The API server cuts longer warnings. */
const MAX_WARNING_LENGTH = 256;

/** The calling webhook: the one with a matching namespaceSelector, or the one that selects pods. So we need no right to read namespaces. */
export type AskedBy = 'namespace' | 'pod';

/** The answer to a review, which always allows the pod, and what was done; undefined if the review is not of a pod's creation. */
export function review(
  body: unknown,
  askedBy: AskedBy,
  options: InjectOptions,
): { answer: AdmissionReview; injection: Injection | undefined } | undefined {
  const request = (body as AdmissionReview | null)?.request;
  if (typeof request?.uid !== 'string') return undefined;
  const response: AdmissionResponse = { uid: request.uid, allowed: true };
  const answer: AdmissionReview = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response };
  const pod = request.object as Pod | undefined;
  if (request.kind?.kind !== 'Pod' || request.operation !== 'CREATE' || !Array.isArray(pod?.spec?.containers))
    return { answer, injection: undefined };
  const injection = injectPod(pod, askedBy === 'namespace' ? { [NAMESPACE_LABEL]: 'enabled' } : {}, options);
  if (injection.patch.length > 0) {
    response.patchType = 'JSONPatch';
    response.patch = Buffer.from(JSON.stringify(injection.patch)).toString('base64');
  }
  if (injection.warnings.length > 0) response.warnings = injection.warnings.map((warning) => `lane: ${warning}`.slice(0, MAX_WARNING_LENGTH));
  return { answer, injection };
}
