/** When calls stay near, and where a process or an instance is, from options and metadata. */

/** Where a process runs, as far as known. */
export interface Place {
  readonly zone?: string | undefined;
  readonly region?: string | undefined;
}

/** When calls stay near. */
export interface NearPolicy {
  /** The narrowest preferred circle; `off`: none. */
  readonly circle: 'zone' | 'region' | 'off';
  /** How many instances of the lane must be near. */
  readonly least: number;
  /** The share of the lane's instances that must be near: 0 to 1. */
  readonly share: number;
  /** In lanes with fewer instances than this, the share does not matter. */
  readonly few: number;
}

/** Default thresholds. */
export const DEFAULT_NEAR_POLICY: NearPolicy = { circle: 'zone', least: 1, share: 0.2, few: 0 };

/** No preference. */
export const NEAR_OFF: NearPolicy = { ...DEFAULT_NEAR_POLICY, circle: 'off' };

/**
 * Metadata keys with an instance's place, in order of precedence: Spring Cloud's and Sermant's `zone` (Sermant: `service.meta.zone`
 * under Dubbo), then Kubernetes' labels (https://kubernetes.io/docs/reference/labels-annotations-taints/#topologykubernetesiozone).
 */
export const ZONE_KEYS = ['zone', 'topology.kubernetes.io/zone', 'service.meta.zone'] as const;
/** The same for regions. */
export const REGION_KEYS = ['region', 'topology.kubernetes.io/region'] as const;

/** An instance's place by its metadata. Empty values count as none. */
export function placeOf(metadata: Readonly<Record<string, string>>): Place {
  return { zone: firstOf(metadata, ZONE_KEYS), region: firstOf(metadata, REGION_KEYS) };
}

function firstOf(metadata: Readonly<Record<string, string>>, keys: readonly string[]): string | undefined {
  for (const key of keys) {
    const value = metadata[key];
    if (typeof value === 'string' && value !== '') return value;
  }
  return undefined;
}
