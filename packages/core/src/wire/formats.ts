/**
 * All knowledge about formats, in one table: where a request has its tag, how to read and write it, which metadata
 * instances have, and which word means base. A format is one row; everything about formats uses this table.
 */
import { jsonNumber } from '../json-number.js';
import { BAGGAGE_HEADER, decodePercent } from './baggage.js';
import { LANE_METADATA_KEY } from '../names/metadata-key.js';
import { isTag, type Tag } from '../names/tag.js';
import type { PolarisLabel } from '../rules/types.js';
import type { Carrier, Reader, TagToWrite } from './carrier.js';
import { FORMAT_NAMES, partsOf, type FormatName, type FormatWithHeader, type KnownFormat } from './format-names.js';
import { mseCarriers, nepxionCarrier, NEPXION_OTHERS } from './json-carriers.js';

export { DEFAULT_FORMATS, FORMAT_NAMES, FORMATS_ACCEPTED, isFormatName, parseFormatNames, type FormatName } from './format-names.js';

/** Default key of our entry in the `baggage` header. */
export const DEFAULT_BAGGAGE_KEY = 'lane';

/** The lane group of tags that no lane group has, for formats that name it. */
export const DEFAULT_LANE_GROUP = 'default';

type Metadata = Readonly<Record<string, string>>;

/** An instance's tag in metadata. */
export interface MetadataForm {
  /** The key written at registration. */
  readonly key: string;
  /** Readers of each known form, in order of precedence. The result may be invalid. */
  readonly read: ReadonlyArray<(metadata: Metadata) => string | undefined>;
  /** The key is a common word with other uses: read only if the format is listed. */
  readonly onlyWhereListed: boolean;
}

/** A format. */
export interface Format {
  /** All are written; they are read in this order. */
  readonly carriers: readonly Carrier[];
  readonly metadata: MetadataForm;
  /** Others' word for base, in carriers and in metadata, where we write nothing. */
  readonly base: string | undefined;
  /** Whether the written value depends on the lane groups. */
  readonly followsLaneGroups: boolean;
  /** Headers by which this system chooses instances in other ways, lower case. They pass through untouched, which is logged once. */
  readonly leftAlone?: readonly string[];
}

/** Parameters of the table. */
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

/** The listed formats and all that need no argument: what an entry removes from untrusted clients. */
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
 * Creates the reader of instances' tags: by the lane groups' labels, in every known form, and in forms with a common key if
 * their format is listed. The first form of the table counts; an invalid tag does not hide the next one.
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
    let labelled: Tag | undefined;
    for (const { key, values, tag } of labels) {
      const value = metadata[key];
      if (value === undefined || !values.includes(value)) continue;
      // Groups of one service may give a label two meanings: the instance itself says which.
      if (tag === ours(metadata)) return tag;
      labelled ??= tag;
    }
    if (labelled !== undefined) return labelled;
    for (const { read, base } of forms) {
      const text = read(metadata);
      if (text !== base && isTag(text)) return text;
    }
    return undefined;
  };
}

/** The tag of one instance from its metadata; for many, create the reader once with {@link instanceTagReader}. */
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
 * The tag of `group/rule`: that of the lane which the lane groups map to this rule, else the name of the rule. Percent-decoded as Spring Cloud
 * Tencent does. A label's value alone also means its rule (polarismesh/polaris-go, lane router, `matchByStainLabel`).
 */
function polarisTag(value: string, { rules, service }: Reader): string {
  const decoded = decodePercent(value);
  return rules?.tagOfPolaris(decoded, service) ?? decoded.slice(decoded.lastIndexOf('/') + 1);
}

/**
 * A group's or rule's name for a header: visible ASCII stays as it is. Everything else, and what decoding would change
 * or split (`%`, `+`, `,`), is percent-encoded. Half a surrogate pair can't be encoded, and becomes U+FFFD.
 */
function encodeName(name: string): string {
  return name.replace(/[\ud800-\udfff]/gu, '\ufffd').replace(/[^\x21-\x24\x26-\x2a\x2d-\x7e]+/gu, encodeURIComponent);
}
