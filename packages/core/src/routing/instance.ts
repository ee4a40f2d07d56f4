import { isTag, type Tag } from '../names/tag.js';

/** One address of a service in the registry. */
export interface Instance {
  readonly ip: string;
  readonly port: number;
  /** Share of the service's traffic, relative to the other instances; 0 takes none. */
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The metadata key we write. */
export const LANE_METADATA_KEY = 'lane';

const MSE_KEY = 'alicloud.service.tag';
const MSE_ENV_KEY = '__micro.service.env__';
const OPENSERGO_PREFIX = 'opensergo.io/canary';
const DUBBO_KEY = 'dubbo.tag';
const ASM_KEY = 'ASM_TRAFFIC_TAG';
const NEPXION_KEY = 'version';

/** MSE's word for base: its agents for Go send it as a tag (alibaba/sentinel-golang, core/route/consts.go). */
export const MSE_BASE = 'base';

/** Nepxion Discovery's word for base: the version of what has none (DiscoveryConstant.DEFAULT). */
export const NEPXION_BASE = 'default';

/** How to read instance metadata. */
export interface MetadataReading {
  /** Nepxion's key is the common word `version`: read only where the `nepxion` format is listed. */
  readonly nepxion?: boolean;
}

/**
 * The tag of an instance from its metadata, in every known form, or undefined for a base instance.
 * Runs when the registry pushes, never at request time.
 *
 * Sources of the forms: Alibaba MSE (`alicloud.service.tag`, `__micro.service.env__`), OpenSergo
 * (`opensergo.io/canary-<tag>`), Dubbo's TagRouter (`dubbo.tag`), ASM, Nepxion Discovery (`version`).
 */
export function tagOfMetadata(metadata: Readonly<Record<string, string>> | undefined, reading: MetadataReading = {}): Tag | undefined {
  if (metadata === undefined || metadata === null) return undefined;
  return (
    tagOrNone(metadata[LANE_METADATA_KEY]) ??
    tagOrNone(metadata[MSE_KEY], MSE_BASE) ??
    openSergoTag(metadata) ??
    mseEnvTag(metadata[MSE_ENV_KEY]) ??
    tagOrNone(metadata[DUBBO_KEY]) ??
    tagOrNone(metadata[ASM_KEY]) ??
    (reading.nepxion === true ? tagOrNone(metadata[NEPXION_KEY], NEPXION_BASE) : undefined)
  );
}

function tagOrNone(value: string | undefined, base?: string): Tag | undefined {
  return isTag(value) && value !== base ? value : undefined;
}

/** The key's presence is the tag; `opensergo.io/canary` alone means base. */
function openSergoTag(metadata: Readonly<Record<string, string>>): Tag | undefined {
  for (const key in metadata) {
    if (!key.startsWith(OPENSERGO_PREFIX) || key.charAt(OPENSERGO_PREFIX.length) !== '-') continue;
    const tag = tagOrNone(key.slice(OPENSERGO_PREFIX.length + 1));
    if (tag !== undefined) return tag;
  }
  return undefined;
}

/** A JSON array of {tag, type, priority, desc}; only entries whose type is `tag` name a lane, the highest priority first. */
function mseEnvTag(json: string | undefined): Tag | undefined {
  if (json === undefined || json === '') return undefined;
  let entries: unknown;
  try {
    entries = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!Array.isArray(entries)) return undefined;
  let best: { tag: Tag; priority: number } | undefined;
  for (const entry of entries as Array<{ tag?: unknown; type?: unknown; priority?: unknown } | null>) {
    if (entry?.type !== 'tag' || !isTag(entry.tag)) continue;
    const priority = Number(entry.priority ?? 0) || 0;
    if (best === undefined || priority > best.priority) best = { tag: entry.tag, priority };
  }
  return best?.tag;
}
