/** Pure functions from Service, EndpointSlices and pods to the instances that a call to a port of the Service may use. */
import type { Instance } from '@lane/core/model';
import { ZONE_LABEL } from './pod-labels.js';

/** The part of a Service that routing uses. */
export interface Service {
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly ipFamilies?: readonly string[];
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports?: ReadonlyArray<{ readonly name?: string; readonly port: number; readonly protocol?: string }>;
  };
}

/** The part of an EndpointSlice that routing uses. */
export interface EndpointSlice {
  readonly metadata: { readonly name: string };
  readonly addressType: string;
  readonly endpoints?: readonly Endpoint[] | null;
  readonly ports?: ReadonlyArray<{ readonly name?: string | null; readonly port?: number | null; readonly protocol?: string | null }> | null;
}

/** One of its endpoints. */
export interface Endpoint {
  readonly addresses: readonly string[];
  readonly conditions?: { readonly ready?: boolean | null; readonly serving?: boolean | null; readonly terminating?: boolean | null };
  readonly targetRef?: { readonly kind?: string; readonly name?: string; readonly uid?: string };
  /** The zone of its node (EndpointSlice v1). */
  readonly zone?: string | null;
}

/** What is known of a pod. */
export interface KnownPod {
  readonly uid: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Instances behind a port, and skipped pods. */
export interface Behind {
  readonly instances: readonly Instance[];
  /** Names of unknown pods. They get no calls: an unknown pod might be of any lane. */
  readonly unknownPods: readonly string[];
}

/**
 * The instances behind a port; undefined if the Service has no such port. Without `port`: behind the first of each slice.
 *
 * Like kube-proxy, it skips FQDN slices, and if no endpoint is ready, it uses those that still serve while they terminate.
 * For a Service with two address families, the first counts: each pod is one instance.
 */
export function instancesBehind(
  service: Service,
  slices: Iterable<EndpointSlice>,
  pods: ReadonlyMap<string, KnownPod>,
  port: number | undefined,
): Behind | undefined {
  const targetOf = targetsOf(service, port);
  if (targetOf === undefined) return undefined;
  const all = [...slices];
  const family = service.spec?.ipFamilies?.[0] ?? (all.some(({ addressType }) => addressType === 'IPv4') ? 'IPv4' : 'IPv6');

  const found = new Map<string, { instance: Instance; isLastResort: boolean }>();
  const unknownPods = new Set<string>();
  for (const slice of all) {
    if (slice.addressType !== family) continue;
    const target = targetOf(slice);
    if (target === undefined) continue;
    for (const { addresses, conditions = {}, targetRef, zone } of slice.endpoints ?? []) {
      const [ip] = addresses;
      if (ip === undefined) continue;
      let metadata: Readonly<Record<string, string>> = {};
      if (targetRef?.kind === 'Pod' && targetRef.name !== undefined) {
        const pod = pods.get(targetRef.name);
        if (pod === undefined || (targetRef.uid !== undefined && pod.uid !== undefined && pod.uid !== targetRef.uid)) {
          unknownPods.add(targetRef.name);
          continue;
        }
        ({ metadata } = pod);
      }
      if (typeof zone === 'string' && zone !== '') metadata = { [ZONE_LABEL]: zone, ...metadata };
      // A missing condition counts as ready.
      const healthy = conditions.ready !== false;
      const isLastResort = !healthy && conditions.terminating === true && conditions.serving === true;
      const key = `${ip} ${target}`;
      // An endpoint that moves between slices is briefly in both.
      if (found.get(key)?.instance.healthy === true) continue;
      found.set(key, { instance: { ip, port: target, weight: 1, healthy, enabled: true, metadata }, isLastResort });
    }
  }
  const endpoints = [...found.values()];
  const noneIsReady = endpoints.every(({ instance }) => !instance.healthy);
  const instances = endpoints.map(({ instance, isLastResort }) => (noneIsReady && isLastResort ? { ...instance, healthy: true } : instance));
  return { instances, unknownPods: [...unknownPods] };
}

type TargetOf = (slice: EndpointSlice) => number | undefined;

/** Maps a call's port to the pod's, by its name in the Service and its slices. */
function targetsOf({ spec }: Service, port: number | undefined): TargetOf | undefined {
  if (port === undefined) return ({ ports }) => ports?.find(isTcp)?.port ?? undefined;
  if (spec?.clusterIP === 'None') {
    // A headless Service resolves to pods, so the call's port is the pod's.
    return ({ ports }) => ((ports ?? []).length === 0 || ports?.some((one) => isTcp(one) && (one.port ?? port) === port) === true ? port : undefined);
  }
  const named = spec?.ports?.find((one) => one.port === port && isTcp(one));
  if (named === undefined) return undefined;
  return ({ ports }) => ports?.find((one) => isTcp(one) && (one.name ?? '') === (named.name ?? ''))?.port ?? undefined;
}

const isTcp = ({ protocol }: { readonly protocol?: string | null | undefined }): boolean => (protocol ?? 'TCP') === 'TCP';

/** Whether any endpoint is a pod, whose labels are then needed. */
export function refersToPods(slices: Iterable<EndpointSlice>): boolean {
  for (const { endpoints } of slices) for (const { targetRef } of endpoints ?? []) if (targetRef?.kind === 'Pod') return true;
  return false;
}
