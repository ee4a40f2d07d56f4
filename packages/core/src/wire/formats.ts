/**
 * All that is known of a format, in one table: where a tag stands in a request, how it is read there and written, by which metadata
 * an instance tells it, and what word means base. A format is one row; whatever knows formats goes by this table.
 */
import { jsonNumber } from '../json-number.js';
import { BAGGAGE_HEADER, decodePercent } from './baggage.js';
import { LANE_METADATA_KEY } from '../names/metadata-key.js';
import { isTag, type Tag } from '../names/tag.js';
import type { PolarisLabel } from '../rules/types.js';
import type { Carrier, Reader, TagToWrite } from './carrier.js';
import { mseCarriers, nepxionCarrier, NEPXION_OTHERS } from './json-carriers.js';

/** The formats that need no argument. */
export type KnownFormat = 'baggage' | 'mse' | 'polaris' | 'dubbo' | 'asm' | 'nepxion' | 'joylive' | 'opensergo';

/** How a tag is written into a carrier: a known format, or one whose header the user names, as in `header(x-canary)`. */
export type FormatName = KnownFormat | `${FormatWithHeader}(${string})`;

/** The formats that take the name of a header. */
type FormatWithHeader = 'asm' | 'header';

/** All formats that need no argument, as LANE_FORMATS accepts them. */
export const FORMAT_NAMES: readonly KnownFormat[] = ['baggage', 'mse', 'polaris', 'dubbo', 'asm', 'nepxion', 'joylive', 'opensergo'];

/** What LANE_FORMATS and its like accept, in words. */
export const FORMATS_ACCEPTED = `${FORMAT_NAMES.join(', ')}, asm(HEADER) and header(HEADER)`;

/** The formats of whoever lists none. */
export const DEFAULT_FORMATS: readonly KnownFormat[] = ['baggage'];

/** Key of our entry in the `baggage` header unless told otherwise. */
export const DEFAULT_BAGGAGE_KEY = 'lane';

/** The lane group of tags that no lane group has, for formats that name it. */
export const DEFAULT_LANE_GROUP = 'default';

type Metadata = Readonly<Record<string, string>>;

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
  /** Whether what is written is another thing when the lane groups change. */
  readonly followsLaneGroups: boolean;
  /** Headers by which this system chooses instances in other ways, lower case. They pass through untouched, and that is told once. */
  readonly leftAlone?: readonly string[];
}

/** What a row of the table goes by. */
export interface FormatSettings {
  /** LANE_BAGGAGE_KEY. */
  readonly baggageKey: string;
}

const tagItself = (value: string): string => value;
const writeTagItself = ({ tag }: TagToWrite): string => tag;
const header = (name: string): Carrier => ({ header: name, entry: undefined, read: tagItself, write: writeTagItself });
const entry = (key: string): Carrier => ({ header: BAGGAGE_HEADER, entry: key, read: tagItself, write: writeTagItself });
const valueOf = (key: string) => (metadata: Metadata) => metadata[key];
const ours = valueOf(LANE_METADATA_KEY);
const OUR_METADATA: MetadataForm = { key: LANE_METADATA_KEY, read: [ours], onlyWhereListed: false };
const asmTag = valueOf('ASM_TRAFFIC_TAG');
const asm = (name: string): Format => ({
  carriers: [header(name)],
  metadata: { key: 'ASM_TRAFFIC_TAG', read: [asmTag], onlyWhereListed: false },
  base: undefined,
  followsLaneGroups: false,
});

/**
 * The table. Sources of the rows:
 *
 * - mse: Alibaba Cloud's documentation, and its agent for Go (alibaba/sentinel-golang, core/route/consts.go), which sends base as a tag.
 *   Agents of version 4 carry {@link MSE_TAG_KEY} in OpenTelemetry's baggage (aliyun/alibabacloud-microservice-demo, GrayGatewayFilter, and
 *   cloudapp-framework, OpenTelemetryTagTool), in Dubbo attachments, and in RocketMQ properties (the demo's HelloServiceImpl and MqConsumer).
 * - polaris: polarismesh/polaris-java, router-lane. The header is `LaneRouter.TRAFFIC_STAIN_LABEL`, made of group and name of the lane rule
 *   (`LaneUtils.buildStainLabel`). Receivers in Spring Cloud Tencent percent-decode it (`ServletMetadataProvider`).
 * - dubbo: apache/dubbo, TagStateRouter: `dubbo.tag`, and `dubbo.force.tag`, without which a tag falls back to instances without one.
 * - asm: Alibaba Cloud, "ASMSwimLaneGroup and ASMSwimLane": the header is the group's `routeHeader`, which the user names.
 * - nepxion: Nepxion/Discovery, `DiscoveryConstant`. The header `N_D_VERSION` has one version, or JSON of services to versions. Instances
 *   without a version have the version `DEFAULT`.
 * - joylive: jd-opensource/joylive-agent, `Constants.LABEL_LANE_SPACE_ID` and `LABEL_LANE`, for requests and instances alike.
 *   A request without the space is in no lane (`LaneMetadataParser.inject`). Ours is the lane group's name.
 * - opensergo: opensergo/opensergo-specification, zh-Hans/labeling.md: `Opensergo-Label` in HTTP headers, gRPC metadata and the registry.
 *   zh-Hans/traffic-routing.md: pods are labelled `traffic.opensergo.io/label`, and register `OpenSergo-Label`.
 */
const FORMATS: Readonly<Record<KnownFormat, (settings: FormatSettings) => Format>> = {
  baggage: ({ baggageKey }) => ({ carriers: [entry(baggageKey)], metadata: OUR_METADATA, base: undefined, followsLaneGroups: false }),
  mse: () => ({
    carriers: mseCarriers(),
    metadata: { key: 'alicloud.service.tag', read: [valueOf('alicloud.service.tag'), openSergoTag, mseEnvTag], onlyWhereListed: false },
    base: 'base',
    followsLaneGroups: false,
  }),
  polaris: () => ({
    carriers: [
      {
        header: 'service-lane',
        entry: undefined,
        read: polarisTag,
        write: ({ tag, group, lane }) => `${encodeName(group)}/${lane === undefined ? tag : encodeName(lane.polarisRule)}`,
      },
    ],
    metadata: OUR_METADATA,
    base: undefined,
    followsLaneGroups: true,
  }),
  dubbo: () => ({
    carriers: [
      header('dubbo.tag'),
      { header: 'dubbo.force.tag', entry: undefined, read: undefined, write: ({ strict }) => (strict ? 'true' : undefined) },
    ],
    metadata: { key: 'dubbo.tag', read: [valueOf('dubbo.tag')], onlyWhereListed: false },
    base: undefined,
    followsLaneGroups: true,
  }),
  asm: () => asm('x-asm-prefer-tag'),
  nepxion: () => ({
    carriers: [nepxionCarrier()],
    metadata: { key: 'version', read: [valueOf('version')], onlyWhereListed: true },
    base: 'default',
    followsLaneGroups: false,
    leftAlone: NEPXION_OTHERS,
  }),
  joylive: () => ({
    carriers: [{ header: 'x-lane-space-id', entry: undefined, read: undefined, write: ({ group }) => group }, header('x-lane-code')],
    metadata: { key: 'x-lane-code', read: [valueOf('x-lane-code')], onlyWhereListed: false },
    base: undefined,
    followsLaneGroups: true,
  }),
  opensergo: () => ({
    carriers: [header('opensergo-label')],
    metadata: {
      key: 'OpenSergo-Label',
      read: [valueOf('OpenSergo-Label'), valueOf('Opensergo-Label'), valueOf('traffic.opensergo.io/label')],
      onlyWhereListed: false,
    },
    base: undefined,
    followsLaneGroups: false,
  }),
};

/** Formats with the name of a header. */
const FORMATS_WITH_HEADER: Readonly<Record<FormatWithHeader, (name: string) => Format>> = {
  asm,
  header: (name) => ({ carriers: [header(name)], metadata: OUR_METADATA, base: undefined, followsLaneGroups: false }),
};

/** The row of a format. */
export function formatOf(name: FormatName, settings: FormatSettings = { baggageKey: DEFAULT_BAGGAGE_KEY }): Format {
  const known = (FORMATS as Readonly<Record<string, (typeof FORMATS)[KnownFormat]>>)[name];
  if (known !== undefined) return known(settings);
  const [kind, headerName] = partsOf(name) as [FormatWithHeader, string];
  return FORMATS_WITH_HEADER[kind](headerName);
}

/** Whether a text names a format, in lower case. */
export function isFormatName(text: unknown): text is FormatName {
  return typeof text === 'string' && ((FORMAT_NAMES as readonly string[]).includes(text) || partsOf(text) !== undefined);
}

/** Reads a list of formats, as LANE_FORMATS has it: names in any case, between commas or blanks. undefined: one is no format, or there is none. */
export function parseFormatNames(text: string): readonly FormatName[] | undefined {
  const names = text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((name) => name !== '');
  return names.length > 0 && names.every(isFormatName) ? names : undefined;
}

/** The format and the header of `asm(x-my-tag)`; undefined: it is no format. */
function partsOf(text: string): [FormatWithHeader, string] | undefined {
  const match = /^(asm|header)\(([!#$%&'*+\-.^_`|~0-9a-z]{1,128})\)$/.exec(text);
  return match === null || TAKEN_HEADERS.test(match[2] as string) ? undefined : [match[1] as FormatWithHeader, match[2] as string];
}

/** Headers that say something else to whoever reads them: a tag in them would break requests, or overwrite what is not ours. */
const TAKEN_HEADERS =
  /^(?:accept(?:-.*)?|authorization|baggage|b3|cache-control|connection|content-.*|cookie|date|expect|forwarded|from|host|http2-settings|if-.*|keep-alive|max-forwards|origin|pragma|proxy-.*|range|referer|sec-.*|set-cookie|te|trailer|traceparent|tracestate|transfer-encoding|upgrade|user-agent|via|x-b3-.*|x-forwarded-.*|x-real-ip|x-request-id)$/;

/** The listed formats and all that need no argument: what an entry takes from clients whom it does not trust. */
export function everyFormat(listed: readonly FormatName[] = []): readonly FormatName[] {
  return [...new Set([...FORMAT_NAMES, ...listed])];
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
 * Makes the reader of instances' tags: by the labels that the lane groups name, in every known form, and in those with a common key where
 * their format is listed. Of several forms the first of the table counts; one that can't be a tag does not hide the next.
 * Runs when the registry pushes, never at request time.
 */
export function instanceTagReader(formats: readonly FormatName[], labels: readonly PolarisLabel[] = []): InstanceTagReader {
  const forms: Array<{ readonly read: MetadataForm['read'][number]; readonly base: string | undefined }> = [];
  for (const name of FORMAT_NAMES) {
    const { metadata, base } = formatOf(name);
    if (metadata.onlyWhereListed && !formats.includes(name)) continue;
    for (const read of metadata.read) if (!forms.some((form) => form.read === read)) forms.push({ read, base });
  }
  return (metadata) => {
    if (metadata === undefined || metadata === null) return undefined;
    for (const { key, values, tag } of labels) {
      const value = metadata[key];
      if (value !== undefined && values.includes(value)) return tag;
    }
    for (const { read, base } of forms) {
      const text = read(metadata);
      if (text !== base && isTag(text)) return text;
    }
    return undefined;
  };
}

/** The tag of one instance from its metadata; for many of them {@link instanceTagReader} makes the reader once. */
export function tagOfMetadata(metadata: Metadata | undefined, formats: readonly FormatName[], labels?: readonly PolarisLabel[]): Tag | undefined {
  return instanceTagReader(formats, labels)(metadata);
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
    const priority = jsonNumber(one.priority ?? 0) || 0;
    if (best === undefined || priority > best.priority) best = { tag: one.tag, priority };
  }
  return best?.tag;
}

/**
 * Of `group/rule` the tag: that of the lane which the lane groups map to this rule, else the name of the rule. Percent-decoded as Spring Cloud
 * Tencent does. A label's value alone stands for its rule, too (polarismesh/polaris-go, lane router, `matchByStainLabel`).
 */
function polarisTag(value: string, { rules }: Reader): string {
  const decoded = decodePercent(value);
  return rules?.tagOfPolaris(decoded) ?? decoded.slice(decoded.lastIndexOf('/') + 1);
}

/**
 * A group's or rule's name as it may stand in a header: as it is where that is visible ASCII. What else there is, and what decoding would make
 * another of or a list (`%`, `+`, `,`), is percent-encoded. Half a surrogate pair can't be encoded, and becomes U+FFFD.
 */
function encodeName(name: string): string {
  return name.replace(/\p{Surrogate}/gu, '\ufffd').replace(/[^\x21-\x24\x26-\x2a\x2d-\x7e]+/gu, encodeURIComponent);
}
