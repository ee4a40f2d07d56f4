/**
 * All that is known of a format, in one table: where a tag stands in a request, how it is read there and written, by which metadata
 * an instance tells it, and what word means base. A format is one row; whatever knows formats goes by this table.
 */
import { BAGGAGE_HEADER, decodePercent } from './baggage.js';
import { isTag, type Tag } from '../names/tag.js';

/** How a tag is written into a carrier. */
export type FormatName = 'baggage' | 'mse' | 'polaris' | 'dubbo' | 'asm' | 'nepxion';

/** All formats, as LANE_FORMATS accepts them. */
export const FORMAT_NAMES: readonly FormatName[] = ['baggage', 'mse', 'polaris', 'dubbo', 'asm', 'nepxion'];

/** The formats of whoever lists none. */
export const DEFAULT_FORMATS: readonly FormatName[] = ['baggage'];

/** Key of our entry in the `baggage` header unless told otherwise. */
export const DEFAULT_BAGGAGE_KEY = 'lane';

/** The metadata key we write. */
export const LANE_METADATA_KEY = 'lane';

/** The lane group of tags that no lane group has, for formats that name it. */
export const DEFAULT_LANE_GROUP = 'default';

type Metadata = Readonly<Record<string, string>>;

/** One place of a request where a tag stands: a header of its own, or an entry of the `baggage` header. */
export interface Carrier {
  /** Name of the header, lower case. */
  readonly header: string;
  /** Key of the entry; undefined: the header is ours as a whole. */
  readonly entry: string | undefined;
  /** The text of the tag in what stands there, which need not be one; undefined: this place tells no tag, it only goes along. */
  readonly read: ((value: string) => string) | undefined;
  /** What to put there. An entry of baggage is percent-encoded by whoever writes it; a header of its own has to be visible ASCII. */
  readonly write: (tag: Tag, group: string) => string;
}

/** How instances tell their tag. */
export interface MetadataForm {
  /** The key written at registration. */
  readonly key: string;
  /** The text of the tag in each form that is known, the first to count first. It need not be a tag. */
  readonly read: ReadonlyArray<(metadata: Metadata) => string | undefined>;
  /** The key is a common word, which others use for other things: it is read only where the format is listed. */
  readonly onlyWhereListed: boolean;
}

/** A format. */
export interface Format {
  /** All of them are written; they are read in this order. */
  readonly carriers: readonly Carrier[];
  readonly metadata: MetadataForm;
  /** The word by which others name base where we say nothing, in carriers and in metadata. */
  readonly base: string | undefined;
  /** Whether what is written names the lane group of the tag, which is another one when the lane groups change. */
  readonly namesGroup: boolean;
}

/** What a row of the table goes by. */
export interface FormatSettings {
  /** LANE_BAGGAGE_KEY. */
  readonly baggageKey: string;
}

const tagItself = (value: string): string => value;
const header = (name: string): Carrier => ({ header: name, entry: undefined, read: tagItself, write: tagItself });
const entry = (key: string): Carrier => ({ header: BAGGAGE_HEADER, entry: key, read: tagItself, write: tagItself });
const valueOf = (key: string) => (metadata: Metadata) => metadata[key];
const ours = valueOf(LANE_METADATA_KEY);

/**
 * The table.
 *
 * Sources: MSE and OpenSergo, Alibaba Cloud documentation, and its agent for Go (alibaba/sentinel-golang, core/route/consts.go), which
 * sends base as a tag; polaris, Spring Cloud Tencent's lane header (`LaneRouter.TRAFFIC_STAIN_LABEL`), which its receivers
 * percent-decode (`ServletMetadataProvider`); dubbo, Apache Dubbo's TagRouter; asm, Alibaba Service Mesh; nepxion, Nepxion Discovery's
 * version header, whose instances without a version have the version `default` (`DiscoveryConstant.DEFAULT`).
 */
const FORMATS: Readonly<Record<FormatName, (settings: FormatSettings) => Format>> = {
  baggage: ({ baggageKey }) => ({
    carriers: [entry(baggageKey)],
    metadata: { key: LANE_METADATA_KEY, read: [ours], onlyWhereListed: false },
    base: undefined,
    namesGroup: false,
  }),
  mse: () => ({
    carriers: [header('x-mse-tag'), entry('x-mse-gray-tag')],
    metadata: { key: 'alicloud.service.tag', read: [valueOf('alicloud.service.tag'), openSergoTag, mseEnvTag], onlyWhereListed: false },
    base: 'base',
    namesGroup: false,
  }),
  polaris: () => ({
    carriers: [{ header: 'service-lane', entry: undefined, read: afterGroup, write: (tag, group) => `${encodeGroup(group)}/${tag}` }],
    metadata: { key: LANE_METADATA_KEY, read: [ours], onlyWhereListed: false },
    base: undefined,
    namesGroup: true,
  }),
  dubbo: () => ({
    carriers: [header('dubbo.tag')],
    metadata: { key: 'dubbo.tag', read: [valueOf('dubbo.tag')], onlyWhereListed: false },
    base: undefined,
    namesGroup: false,
  }),
  asm: () => ({
    carriers: [header('x-asm-prefer-tag')],
    metadata: { key: 'ASM_TRAFFIC_TAG', read: [valueOf('ASM_TRAFFIC_TAG')], onlyWhereListed: false },
    base: undefined,
    namesGroup: false,
  }),
  nepxion: () => ({
    carriers: [header('n-d-version')],
    metadata: { key: 'version', read: [valueOf('version')], onlyWhereListed: true },
    base: 'default',
    namesGroup: false,
  }),
};

/** The row of a format. */
export function formatOf(name: FormatName, settings: FormatSettings = { baggageKey: DEFAULT_BAGGAGE_KEY }): Format {
  return FORMATS[name](settings);
}

/** All formats of a process: those it writes, and those it only reads. */
export function listedFormats({
  formats,
  formatsIn,
}: {
  readonly formats: readonly FormatName[];
  readonly formatsIn: readonly FormatName[];
}): readonly FormatName[] {
  return [...new Set([...formats, ...formatsIn])];
}

/** Reads the tag of an instance from its metadata; undefined: base. */
export type InstanceTagReader = (metadata: Metadata | undefined) => Tag | undefined;

/**
 * Makes the reader of instances' tags: in every known form, and in those with a common key where their format is listed.
 * Of several forms the first of the table counts; one that can't be a tag does not hide the next.
 * Runs when the registry pushes, never at request time.
 */
export function instanceTagReader(formats: readonly FormatName[]): InstanceTagReader {
  const forms: Array<{ readonly read: MetadataForm['read'][number]; readonly base: string | undefined }> = [];
  for (const name of FORMAT_NAMES) {
    const { metadata, base } = formatOf(name);
    if (metadata.onlyWhereListed && !formats.includes(name)) continue;
    for (const read of metadata.read) if (!forms.some((form) => form.read === read)) forms.push({ read, base });
  }
  return (metadata) => {
    if (metadata === undefined || metadata === null) return undefined;
    for (const { read, base } of forms) {
      const text = read(metadata);
      if (text !== base && isTag(text)) return text;
    }
    return undefined;
  };
}

/** The tag of one instance from its metadata; for many of them {@link instanceTagReader} makes the reader once. */
export function tagOfMetadata(metadata: Metadata | undefined, formats: readonly FormatName[]): Tag | undefined {
  return instanceTagReader(formats)(metadata);
}

const OPENSERGO_PREFIX = 'opensergo.io/canary-';

/** The key's presence is the tag; `opensergo.io/canary` alone means base. */
function openSergoTag(metadata: Metadata): string | undefined {
  for (const key in metadata) {
    if (!key.startsWith(OPENSERGO_PREFIX)) continue;
    const tag = key.slice(OPENSERGO_PREFIX.length);
    if (isTag(tag)) return tag;
  }
  return undefined;
}

/** `__micro.service.env__`: a JSON array of {tag, type, priority, desc}; only entries whose type is `tag` name a lane, the highest priority first. */
function mseEnvTag(metadata: Metadata): string | undefined {
  const json = metadata['__micro.service.env__'];
  if (json === undefined || json === '') return undefined;
  let entries: unknown;
  try {
    entries = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!Array.isArray(entries)) return undefined;
  let best: { tag: Tag; priority: number } | undefined;
  for (const one of entries as Array<{ tag?: unknown; type?: unknown; priority?: unknown } | null>) {
    if (one?.type !== 'tag' || !isTag(one.tag)) continue;
    const priority = Number(one.priority ?? 0) || 0;
    if (best === undefined || priority > best.priority) best = { tag: one.tag, priority };
  }
  return best?.tag;
}

/** Of `group/lane` the lane, percent-decoded as Spring Cloud Tencent does. */
function afterGroup(value: string): string {
  const decoded = decodePercent(value);
  return decoded.slice(decoded.lastIndexOf('/') + 1);
}

/**
 * A group's name as it may stand in a header: as it is where that is visible ASCII. What else there is, and what decoding would make
 * another of or a list (`%`, `+`, `,`), is percent-encoded. Half a surrogate pair can't be encoded, and becomes U+FFFD.
 */
function encodeGroup(group: string): string {
  return group.replace(/\p{Surrogate}/gu, '\ufffd').replace(/[^\x21-\x24\x26-\x2a\x2d-\x7e]+/gu, encodeURIComponent);
}
