/**
 * One Service, kept current: read once for its ports and selector; then its EndpointSlices are watched, and the labels of the pods that it
 * selects. Two narrow watches per called Service; the README tells what that saves the API server.
 */
import type { KubernetesApi } from './kubernetes-api.js';
import { KubernetesError } from './kubernetes-error.js';
import { instancesBehind, refersToPods, type EndpointSlice, type KnownPod, type Service } from './endpoint-slices.js';
import { watchResources, type WatchListener } from './resource-watch.js';
import { knownPod, podsOf, selectorText, servicePath, slicesOf, type PodMetadata } from './service-resources.js';
import type { Instance } from '@lane/core/model';

/** State of a Service's port: its instances, or why there are none. */
export type ServiceState = { readonly instances: readonly Instance[] } | { readonly absent: Absence };

/** Why calls to a name are not ours. */
export type Absence = 'no-service' | 'external-name' | 'no-port' | 'forbidden';

/** Called at each change. */
export type ServiceListener = (state: ServiceState) => void;

/** Listeners for outages and answers of the API server. */
export interface Contact {
  onTrouble(error: KubernetesError): void;
  onAnswer(): void;
}

/** How long before a later call looks up a missing Service again. */
const ABSENT_MS = 10_000;
/** How long an endpoint's unknown pod is awaited; after that, the selector must have changed. */
const UNKNOWN_POD_MS = 1000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 30_000;

/** One Service of a namespace. */
export class WatchedService {
  readonly namespace: string;
  readonly name: string;
  readonly #api: KubernetesApi;
  readonly #contact: Contact;
  /** By port; undefined: any. */
  readonly #listeners = new Map<number | undefined, Set<ServiceListener>>();
  readonly #closing = new AbortController();

  #service: Service | undefined;
  #absent: 'no-service' | 'external-name' | 'forbidden' | undefined;
  #askedAt = 0;
  #isReading = false;
  readonly #slices = new Map<string, EndpointSlice>();
  #hasSlices = false;
  readonly #pods = new Map<string, KnownPod>();
  #hasPods = false;
  /** The watched pods: `selector` in the API's syntax, empty for all. */
  #watchedPods: { readonly selector: string; readonly stop: AbortController } | undefined;
  #endpoints: AbortController | undefined;
  #publishing = false;
  #searching: NodeJS.Timeout | undefined;
  /** Endpoints are pods that the Service does not select: another program writes its slices. */
  #selectsOthers = false;

  constructor(api: KubernetesApi, namespace: string, name: string, contact: Contact) {
    this.#api = api;
    this.namespace = namespace;
    this.name = name;
    this.#contact = contact;
    void this.#begin();
  }

  /** Calls `listener` once the Service is known, or known not to exist, then at each change. */
  subscribe(port: number | undefined, listener: ServiceListener): () => void {
    let listeners = this.#listeners.get(port);
    if (listeners === undefined) this.#listeners.set(port, (listeners = new Set()));
    listeners.add(listener);
    this.#publishSoon();
    return () => listeners.delete(listener);
  }

  get hasListeners(): boolean {
    for (const listeners of this.#listeners.values()) if (listeners.size > 0) return true;
    return false;
  }

  /** A call to a missing Service: it may exist by now. */
  lookAgain(): void {
    if (this.#isReading || performance.now() - this.#askedAt < ABSENT_MS) return;
    void (this.#absent === undefined ? this.#readAgain() : this.#begin());
  }

  close(): void {
    this.#closing.abort();
    this.#stop();
    clearTimeout(this.#searching);
  }

  /** Retries until there is an answer. */
  async #begin(): Promise<void> {
    this.#isReading = true;
    for (let pauseMs = FIRST_PAUSE_MS; !this.#closing.signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        const service = await this.#read();
        this.#isReading = false;
        if (service === undefined) this.#becomeAbsent('no-service');
        else if (service.spec?.type === 'ExternalName') this.#becomeAbsent('external-name');
        else {
          this.#absent = undefined;
          this.#service = service;
          this.#watchEndpoints();
        }
        return;
      } catch (error) {
        const trouble = asKubernetesError(this.#api, error);
        if (isRefusal(trouble)) {
          this.#isReading = false;
          this.#becomeAbsent('forbidden');
          return;
        }
        this.#contact.onTrouble(trouble);
        await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random())).unref());
      }
    }
  }

  async #read(): Promise<Service | undefined> {
    this.#askedAt = performance.now();
    const { status, body } = await this.#api.request({ path: servicePath(this.namespace, this.name) });
    this.#contact.onAnswer();
    return status === 404 ? undefined : (body as Service);
  }

  /** Ports and selector may have changed. */
  async #readAgain(): Promise<void> {
    try {
      const service = await this.#read();
      if (service === undefined || this.#closing.signal.aborted) return;
      this.#service = service;
      this.#watchPods();
      this.#publishSoon();
    } catch (error) {
      this.#contact.onTrouble(asKubernetesError(this.#api, error));
    }
  }

  #becomeAbsent(absent: 'no-service' | 'external-name' | 'forbidden'): void {
    this.#absent = absent;
    this.#stop();
    this.#publishSoon();
  }

  #stop(): void {
    this.#endpoints?.abort();
    this.#watchedPods?.stop.abort();
    this.#endpoints = this.#watchedPods = undefined;
    this.#hasSlices = this.#hasPods = false;
  }

  #watchEndpoints(): void {
    this.#endpoints = new AbortController();
    const listener: WatchListener<EndpointSlice> = {
      ...this.#watching(),
      onAll: (slices) => {
        this.#slices.clear();
        for (const slice of slices) this.#slices.set(slice.metadata.name, slice);
        this.#hasSlices = true;
        this.#watchPods();
        this.#publishSoon();
      },
      onChange: (type, slice) => {
        if (type === 'DELETED') this.#slices.delete(slice.metadata.name);
        else this.#slices.set(slice.metadata.name, slice);
        this.#watchPods();
        this.#publishSoon();
      },
      onRenewed: () => void this.#readAgain(),
    };
    void watchResources(this.#api, slicesOf(this.namespace, this.name), listener, this.#endpoints.signal);
  }

  /** Only if endpoints are pods: watches the pods that the Service selects now. */
  #watchPods(): void {
    if (!refersToPods(this.#slices.values())) return;
    const selector = this.#selectsOthers ? '' : selectorText(this.#service?.spec?.selector);
    if (this.#watchedPods?.selector === selector) return;
    this.#watchedPods?.stop.abort();
    const stop = new AbortController();
    this.#watchedPods = { selector, stop };
    const take = (pod: PodMetadata): boolean => {
      const before = this.#pods.get(pod.metadata.name);
      const now = knownPod(pod);
      if (before !== undefined && before.uid === now.uid && JSON.stringify(before.metadata) === JSON.stringify(now.metadata)) return false;
      this.#pods.set(pod.metadata.name, now);
      return true;
    };
    const listener: WatchListener<PodMetadata> = {
      ...this.#watching(),
      onAll: (pods) => {
        this.#pods.clear();
        pods.forEach(take);
        this.#hasPods = true;
        this.#publishSoon();
      },
      onChange: (type, pod) => {
        // Most changes of a pod do not affect its tag.
        if (type === 'DELETED' ? this.#pods.delete(pod.metadata.name) : take(pod)) this.#publishSoon();
      },
    };
    void watchResources(this.#api, podsOf(this.namespace, selector), listener, stop.signal);
  }

  /** Common to both watches: before everything is known, a refusal is final. */
  #watching(): Pick<WatchListener<unknown>, 'onTrouble' | 'onAnswer'> {
    return {
      onTrouble: (error) => {
        if (isRefusal(error) && !this.#isKnown) this.#becomeAbsent('forbidden');
        else this.#contact.onTrouble(error);
      },
      onAnswer: () => this.#contact.onAnswer(),
    };
  }

  get #isKnown(): boolean {
    return this.#hasSlices && (this.#hasPods || this.#watchedPods === undefined);
  }

  /** Groups events that arrive together into one change. */
  #publishSoon(): void {
    if (this.#publishing) return;
    this.#publishing = true;
    setImmediate(() => {
      this.#publishing = false;
      if (!this.#closing.signal.aborted) this.#publish();
    });
  }

  #publish(): void {
    if (this.#absent !== undefined) {
      this.#tellAll({ absent: this.#absent });
      return;
    }
    if (this.#service === undefined || !this.#isKnown) return;
    let isIncomplete = false;
    for (const [port, listeners] of this.#listeners) {
      const behind = instancesBehind(this.#service, this.#slices.values(), this.#pods, port);
      if (behind !== undefined && behind.unknownPods.length > 0) isIncomplete = true;
      const state: ServiceState = behind === undefined ? { absent: 'no-port' } : { instances: behind.instances };
      for (const listener of listeners) listener(state);
    }
    clearTimeout(this.#searching);
    if (isIncomplete) this.#searching = setTimeout(() => void this.#searchPods(), UNKNOWN_POD_MS).unref();
  }

  /** The selector has changed, or the endpoints are pods that it does not select. */
  async #searchPods(): Promise<void> {
    const before = selectorText(this.#service?.spec?.selector);
    await this.#readAgain();
    if (this.#selectsOthers || selectorText(this.#service?.spec?.selector) !== before) return;
    this.#selectsOthers = true;
    this.#watchPods();
  }

  #tellAll(state: ServiceState): void {
    for (const listeners of this.#listeners.values()) for (const listener of listeners) listener(state);
  }
}

const isRefusal = ({ status }: KubernetesError): boolean => status === 401 || status === 403;

function asKubernetesError(api: KubernetesApi, error: unknown): KubernetesError {
  return error instanceof KubernetesError ? error : KubernetesError.ofOutage(api.server, error as Error);
}
