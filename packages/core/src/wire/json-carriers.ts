/**
 * Carriers that hold JSON: MSE's list of tags, and Nepxion's map of services to versions. Parsed values are cached, because requests of a lane
 * repeat them.
 */
import { jsonNumber } from '../json-number.js';
import { BAGGAGE_HEADER, decodePercent } from './baggage.js';
import { firstOfList, type Carrier, type Reader, type TagsByService } from './carrier.js';
import { isTag, type Tag } from '../names/tag.js';

/** The key under which MSE's agents of version 4 and later carry the tags of a request. */
export const MSE_TAG_KEY = '__microservice_tag__';

/** Cache size for each carrier, and longest cached text in characters: what clients make up must not fill the memory. */
const MAX_REMEMBERED = 256;
const MAX_REMEMBERED_LENGTH = 2_048;

/** Caches a function of a text. */
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

/** An object or array, and its plain JSON. */
interface ReadJson {
  readonly text: string;
  readonly value: object;
}

/**
 * Parses the JSON of a header, percent-encoded or not; undefined: invalid. OpenTelemetry in Java encodes the quotes but not the brackets; in Python
 * and in Java's URLEncoder a blank is `+`; code that copies an entry of baggage into an attachment may leave it encoded.
 *
 * The first of duplicate headers counts, as in other formats and in their own systems (Nepxion reads by `HttpServletRequest.getHeader` and
 * `HttpHeaders.getFirst`), even if Node or a proxy has joined them with a comma.
 */
function readJson(text: string): ReadJson | undefined {
  const plain = firstJson(text);
  if (plain !== undefined || text.indexOf('%') === -1) return plain;
  const decoded = decodePercent(text);
  return firstJson(decoded) ?? firstJson(decoded.replaceAll('+', ' '));
}

function firstJson(text: string): ReadJson | undefined {
  const whole = parsePlain(text);
  if (whole !== undefined) return whole;
  const end = endOfFirst(text);
  return end === undefined ? undefined : parsePlain(text.slice(0, end));
}

function parsePlain(text: string): ReadJson | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { text, value } : undefined;
  } catch {
    return undefined;
  }
}

/** Where the first object or array ends, if a comma follows it: whoever comes behind it is another one. */
function endOfFirst(text: string): number | undefined {
  let depth = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (isQuoted) {
      if (char === '\\') i++;
      else if (char === '"') isQuoted = false;
    } else if (char === '"') isQuoted = true;
    else if (char === '{' || char === '[') depth++;
    else if ((char === '}' || char === ']') && --depth <= 0) return /^\s*,/.test(text.slice(i + 1)) ? i + 1 : undefined;
  }
  return undefined;
}

/** Whether a value is meant to be a JSON object or array, percent-encoded or not. */
const isMeantAsJson = (value: string): boolean => /^(?:[[{]|%5b|%7b)/i.test(value);

/**
 * MSE's carriers, newest first. In baggage the list is percent-encoded; as an attachment it is plain, with `name` first, because
 * Alibaba's demo extracts it by position.
 */
export function mseCarriers(): readonly Carrier[] {
  const read = remembering(tagOfList);
  const list = (tag: Tag): string => `[{"name":"${tag}","tag":"${tag}","priority":-1}]`;
  return [
    { header: BAGGAGE_HEADER, entry: MSE_TAG_KEY, read, write: ({ tag }) => list(tag) },
    { header: MSE_TAG_KEY, entry: undefined, onlyAttached: true, isJson: true, read, write: ({ tag }) => list(tag) },
    { header: 'x-mse-tag', entry: undefined, read: (value) => value, write: ({ tag }) => tag },
    { header: BAGGAGE_HEADER, entry: 'x-mse-gray-tag', read: (value) => value, write: ({ tag }) => tag },
  ];
}

/** An invalid tag. */
const NO_LIST = '';

/**
 * The tag of the entry with the least priority in a JSON array of {name, tag, priority}; the first of equals. An entry without `tag` means its
 * `name`: Alibaba's own tool writes and reads it so (alibaba/cloudapp-framework, `OpenTelemetryTagTool`) and leaves `tag` null, which other
 * serializers write as null or as an empty text. An entry with an invalid tag is skipped, whatever its name. A value that is not an array is
 * no tag, even if it looks like one, as `null` does.
 */
function tagOfList(text: string): string | undefined {
  const entries = readJson(text)?.value;
  if (!Array.isArray(entries)) return NO_LIST;
  let best: { readonly tag: Tag; readonly priority: number } | undefined;
  for (const one of entries as Array<{ name?: unknown; tag?: unknown; priority?: unknown } | null>) {
    const tag = one?.tag === '' ? one.name : (one?.tag ?? one?.name);
    if (!isTag(tag)) continue;
    const number = jsonNumber(one?.priority ?? 0);
    const priority = Number.isNaN(number) ? 0 : number;
    if (best === undefined || priority < best.priority) best = { tag, priority };
  }
  // A list without a valid tag is malformed; an empty one means none.
  return best?.tag ?? (entries.length === 0 ? undefined : NO_LIST);
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
    isJson: true,
    read: (value, { service }: Reader) => {
      if (!isMeantAsJson(value)) return firstOfList(value);
      const each = readEach(value);
      return each === undefined ? value : tagOfService(each.tags, service);
    },
    readEach: (value) => (isMeantAsJson(value) ? readEach(value) : undefined),
    write: ({ tag }) => tag,
  };
}

/** A request's tag for a service; undefined: none. Nepxion has service names in lower case. */
export function tagOfService(tags: TagsByService, service: string | undefined): Tag | undefined {
  return service === undefined ? undefined : (tags.get(service) ?? tags.get(service.toLowerCase()));
}

/** The versions in `{"a":"1.0"}` that are valid tags; several (`1.0;1.1`) and patterns (`1.*`) are not, and `default` is base. undefined: not a map. */
function tagsByService(header: string): { readonly text: string; readonly tags: TagsByService } | undefined {
  const json = readJson(header);
  if (json === undefined || Array.isArray(json.value)) return undefined;
  const tags = new Map<string, Tag>();
  for (const [service, version] of Object.entries(json.value)) if (isTag(version) && version !== 'default') tags.set(service, version);
  return { text: json.text, tags };
}
