/**
 * Carriers that hold JSON: MSE's list of tags, and Nepxion's map of services to versions. What was parsed is remembered, as requests of a lane
 * say the same.
 */
import { jsonNumber } from '../json-number.js';
import { BAGGAGE_HEADER, decodePercent } from './baggage.js';
import type { Carrier, Reader, TagsByService } from './carrier.js';
import { isTag, type Tag } from '../names/tag.js';

/** The key under which MSE's agents of version 4 and later carry the tags of a request. */
export const MSE_TAG_KEY = '__microservice_tag__';

/** Texts remembered for each carrier, and how long they may be in characters: what clients make up must not fill the memory. */
const MAX_REMEMBERED = 256;
const MAX_REMEMBERED_LENGTH = 2_048;

/** Remembers what a function makes of a text. */
function remembering<T>(make: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined || known.has(text)) return found as T;
    const made = make(text);
    if (text.length <= MAX_REMEMBERED_LENGTH && known.size < MAX_REMEMBERED) known.set(text, made);
    return made;
  };
}

/** Parses JSON, percent-encoded or not; undefined: it is none. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.startsWith('%') ? decodePercent(text) : text);
  } catch {
    return undefined;
  }
}

/**
 * MSE's carriers, the newest first. The list is in baggage, percent-encoded; as an attachment it is plain, and `name` comes first in it, since
 * Alibaba's demo cuts it out by position.
 */
export function mseCarriers(): readonly Carrier[] {
  const read = remembering(tagOfList);
  const list = (tag: Tag): string => `[{"name":"${tag}","tag":"${tag}","priority":-1}]`;
  return [
    { header: BAGGAGE_HEADER, entry: MSE_TAG_KEY, read, write: ({ tag }) => list(tag) },
    { header: MSE_TAG_KEY, entry: undefined, onlyAttached: true, read, write: ({ tag }) => list(tag) },
    { header: 'x-mse-tag', entry: undefined, read: (value) => value, write: ({ tag }) => tag },
    { header: BAGGAGE_HEADER, entry: 'x-mse-gray-tag', read: (value) => value, write: ({ tag }) => tag },
  ];
}

/**
 * Of a JSON array of {name, tag, priority} the tag of the entry with the least priority, the first of equals. An entry without `tag` means its
 * `name`; one whose tag can't be one is passed over. What is no array is given back, as it is no tag.
 */
function tagOfList(text: string): string | undefined {
  const entries = parseJson(text);
  if (!Array.isArray(entries)) return text;
  let best: { readonly tag: Tag; readonly priority: number } | undefined;
  for (const one of entries as Array<{ name?: unknown; tag?: unknown; priority?: unknown } | null>) {
    const tag = one?.tag ?? one?.name;
    if (!isTag(tag)) continue;
    const number = jsonNumber(one?.priority ?? 0);
    const priority = Number.isNaN(number) ? 0 : number;
    if (best === undefined || priority < best.priority) best = { tag, priority };
  }
  // A list in which nothing is a tag is malformed; an empty one says that there is none.
  return best?.tag ?? (entries.length === 0 ? undefined : text);
}

/** Headers by which Nepxion chooses instances in other ways than by version (`DiscoveryConstant`). */
export const NEPXION_OTHERS: readonly string[] = [
  'n-d-region',
  'n-d-env',
  'n-d-address',
  'n-d-version-weight',
  'n-d-region-weight',
  'n-d-id-blacklist',
  'n-d-address-blacklist',
];

/** Nepxion's version header: one version for all services, or JSON of services to versions. */
export function nepxionCarrier(): Carrier {
  const readEach = remembering(tagsByService);
  return {
    header: 'n-d-version',
    entry: undefined,
    read: (value, { service }: Reader) => {
      if (!value.startsWith('{')) return value;
      const tags = readEach(value);
      return tags === undefined ? value : tagOfService(tags, service);
    },
    readEach: (value) => (value.startsWith('{') ? readEach(value) : undefined),
    write: ({ tag }) => tag,
  };
}

/** The tag that a request names for a service; undefined: none. Nepxion has names of services in lower case. */
export function tagOfService(tags: TagsByService, service: string | undefined): Tag | undefined {
  return service === undefined ? undefined : (tags.get(service) ?? tags.get(service.toLowerCase()));
}

/** Of `{"a":"1.0"}` the versions that can be tags; several (`1.0;1.1`) and patterns (`1.*`) can't, and `default` is base. undefined: it is no map. */
function tagsByService(text: string): TagsByService | undefined {
  const json = parseJson(text);
  if (json === null || typeof json !== 'object' || Array.isArray(json)) return undefined;
  const tags = new Map<string, Tag>();
  for (const [service, version] of Object.entries(json)) if (isTag(version) && version !== 'default') tags.set(service, version);
  return tags;
}
