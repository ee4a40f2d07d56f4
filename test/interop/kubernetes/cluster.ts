/**
 * Writes through the API what controllers and kubelets would: pods, and EndpointSlices that lead to processes on this machine.
 * Endpoints cannot be loopback addresses: processes listen on the machine's own address, each on its own port and in its own slice.
 */
import type { KubernetesApi } from '@lane/kubernetes-registry';
import { reachableAddress } from './injector.js';

/** An endpoint of a Service. */
export interface Endpoint {
  readonly service: string;
  readonly pod: string;
  readonly port: number;
  readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
}

/** Writes into one namespace. */
export class ClusterWriter {
  readonly #api: KubernetesApi;
  readonly #namespace: string;

  constructor(api: KubernetesApi, namespace: string) {
    this.#api = api;
    this.#namespace = namespace;
  }

  /** A Service for pods with the label `app: NAME`, with these named ports. */
  async service(name: string, spec: object = { ports: [{ name: 'http', port: 80, targetPort: 8080 }] }): Promise<void> {
    await this.#create('api/v1', 'services', { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector: { app: name }, ...spec } });
  }

  /** Creates a pod; returns its uid. */
  async pod(name: string, app: string, labels: Record<string, string> = {}): Promise<string> {
    const made = await this.#create('api/v1', 'pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app, ...labels } },
      spec: { containers: [{ name: 'app', image: 'registry.example/app:1' }] },
    });
    return (made as { metadata: { uid: string } }).metadata.uid;
  }

  async label(pod: string, labels: Record<string, string | null>): Promise<void> {
    await this.#send('PATCH', `api/v1/namespaces/${this.#namespace}/pods/${pod}`, { metadata: { labels } });
  }

  async deletePod(name: string): Promise<void> {
    await this.#send('DELETE', `api/v1/namespaces/${this.#namespace}/pods/${name}?gracePeriodSeconds=0`);
  }

  /** Makes the Service lead to a process. */
  async endpoint({ service, pod, port, conditions = { ready: true } }: Endpoint, uid?: string): Promise<void> {
    await this.#create('apis/discovery.k8s.io/v1', 'endpointslices', {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${service}-${pod}`, labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      endpoints: [
        { addresses: [reachableAddress()], conditions, targetRef: { kind: 'Pod', namespace: this.#namespace, name: pod, ...(uid ? { uid } : {}) } },
      ],
      ports: [{ name: 'http', port, protocol: 'TCP' }],
    });
  }

  async deleteEndpoint(service: string, pod: string): Promise<void> {
    await this.#send('DELETE', `apis/discovery.k8s.io/v1/namespaces/${this.#namespace}/endpointslices/${service}-${pod}`);
  }

  #create(api: string, kind: string, body: object): Promise<unknown> {
    return this.#send('POST', `${api}/namespaces/${this.#namespace}/${kind}`, body);
  }

  async #send(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<unknown> {
    const answer = await this.#api.request({
      method,
      path: `/${path}`,
      ...(body === undefined ? {} : { body }),
      ...(method === 'PATCH' ? { contentType: 'application/merge-patch+json' } : {}),
    });
    if (answer.status >= 300) throw new Error(JSON.stringify(answer.body));
    return answer.body;
  }
}
