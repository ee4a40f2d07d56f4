/**
 * What other lane systems put on the wire and into the registry, as their own sources have it. Each shape names the file or page where
 * it was found: whoever doubts one looks there.
 */
import { describe, expect, test } from 'vitest';
import { tagOfMetadata, type FormatName } from './formats.js';
import { createTagCodec, linesOf } from './tag-codec.js';

const SHOP = { group: 'shop', polarisRule: 'gray', fallback: undefined };

type Headers = ReadonlyArray<readonly [name: string, value: string]>;

/** As OpenTelemetry's baggage has it in Java: W3CBaggagePropagator decodes percent-encoding. */
const MSE_LIST = '__microservice_tag__=[{%22name%22:%22gray%22%2C%22tag%22:%22gray%22%2C%22priority%22:-1}]';

const SOURCES = {
  mseGateway: 'alibaba/higress, plugins/wasm-go/extensions/traffic-tag/README.md',
  mseGo: 'alibaba/sentinel-golang, core/route/consts.go',
  mseGoInstances: 'alibaba/sentinel-golang, core/route/nacos/nacos.go',
  msePods: 'openkruise.io, rollouts: end-to-end canary release with MSE',
  mseIngress: 'Alibaba Cloud, APIG Ingress annotations: service-subset',
  mse4Gateway: 'aliyun/alibabacloud-microservice-demo, mse-simple-demo/SpringCloudGateway: GrayGatewayFilter',
  mse4Tool: 'alibaba/cloudapp-framework: OpenTelemetryTagTool.withCanaryTag',
  mse4Attachment: 'aliyun/alibabacloud-microservice-demo, mse-simple-demo/C: HelloServiceCImpl, which cuts the tag out by position; A: MqConsumer',
  joylive: 'jd-opensource/joylive-agent: Constants.LABEL_LANE_SPACE_ID, LABEL_LANE',
  openSergo: 'opensergo/opensergo-specification: specification/zh-Hans/labeling.md',
  openSergoPods: 'opensergo/opensergo-specification: specification/zh-Hans/traffic-routing.md',
  polarisWire:
    'polarismesh/polaris-java, polaris-plugins/polaris-plugins-router/router-lane: LaneRouter.TRAFFIC_STAIN_LABEL, LaneUtils.buildStainLabel',
  polarisInstances: 'polarismesh/polaris-java, router-lane: LaneRouter.INTERNAL_INSTANCE_LANE_KEY',
  dubbo: 'apache/dubbo, CommonConstants.TAG_KEY, router/tag/TagStateRouter.java',
  asm: 'alibabacloud.com/help/en/alibaba-cloud-service-mesh/latest/use-full-link-grayscale-swim-lane-mode-in-asm',
  nepxionWire: 'Nepxion/Discovery, discovery-common: DiscoveryConstant.N_D_VERSION; JsonUtil.fromJsonMap, DiscoveryMatcher',
  nepxionInstances: 'Nepxion/Discovery, discovery-common: DiscoveryConstant.VERSION, DiscoveryConstant.DEFAULT',
} as const;

type Source = keyof typeof SOURCES;

describe('headers', () => {
  test.each<[source: Source, what: string, format: FormatName, headers: Headers, tag: string | undefined]>([
    ['mseGateway', 'a request tagged at the gateway', 'mse', [['x-mse-tag', 'gray']], 'gray'],
    ['mseGo', 'the tag in OpenTelemetry baggage', 'mse', [['baggage', 'x-mse-gray-tag=gray']], 'gray'],
    [
      'mseGo',
      'the same as a header and in baggage',
      'mse',
      [
        ['x-mse-tag', 'gray'],
        ['baggage', 'user=42,x-mse-gray-tag=gray'],
      ],
      'gray',
    ],
    ['mseGo', 'base traffic, which has a word for it', 'mse', [['x-mse-tag', 'base']], undefined],
    ['mseGo', 'base traffic in baggage', 'mse', [['baggage', 'x-mse-gray-tag=base']], undefined],
    ['mse4Gateway', 'a list with a name alone', 'mse', [['baggage', '__microservice_tag__=%5B%7B%22name%22%3A%22gray%22%7D%5D']], 'gray'],
    [
      'mse4Tool',
      'a list with name and priority, beside others',
      'mse',
      [['baggage', 'user=42,__microservice_tag__=%5B%7B%22name%22%3A%22gray%22%2C%22priority%22%3A100%7D%5D;ttl=1,region=cn']],
      'gray',
    ],
    ['mse4Attachment', 'an attachment or property, as it stands', 'mse', [['__microservice_tag__', '[{"name":"gray","priority":-1}]']], 'gray'],
    [
      'joylive',
      'space and lane',
      'joylive',
      [
        ['x-lane-space-id', '1'],
        ['x-lane-code', 'beta'],
      ],
      'beta',
    ],
    ['joylive', 'a space alone', 'joylive', [['x-lane-space-id', '1']], undefined],
    ['openSergo', 'a header, or metadata of gRPC', 'opensergo', [['Opensergo-Label', 'internal']], 'internal'],
    ['polarisWire', 'group and lane rule', 'polaris', [['service-lane', 'shop/gray']], 'gray'],
    ['dubbo', 'an attachment, as Triple sends it', 'dubbo', [['dubbo.tag', 'gray']], 'gray'],
    ['dubbo', 'an empty attachment is none', 'dubbo', [['dubbo.tag', '']], undefined],
    ['asm', 'the lane', 'asm', [['x-asm-prefer-tag', 's1']], 's1'],
    ['nepxionWire', 'one version for all services', 'nepxion', [['n-d-version', '1.1']], '1.1'],
    ['nepxionWire', 'the version of what has none', 'nepxion', [['n-d-version', 'default']], undefined],
    // This reader is no service of the map.
    ['nepxionWire', 'a version for each service', 'nepxion', [['n-d-version', '{"spring-cloud-b":"1.1","spring-cloud-c":"1.0"}']], undefined],
    ['nepxionWire', 'several versions', 'nepxion', [['n-d-version', '1.0;1.1']], undefined],
    ['nepxionWire', 'a pattern', 'nepxion', [['n-d-version', '1.*']], undefined],
  ])('%s: %s', (source, _, format, headers, tag) => {
    const codec = createTagCodec({ formats: [format] });
    expect(codec.readRaw(headers.flat()), SOURCES[source]).toBe(tag);
    expect(codec.read((name) => linesOf(headers.flat(), name))).toBe(tag);
  });

  test.each<[source: Source, format: FormatName, headers: Headers, entries: readonly string[]]>([
    ['mseGo', 'mse', [['x-mse-tag', 'gray']], [MSE_LIST, 'x-mse-gray-tag=gray']],
    ['polarisWire', 'polaris', [['service-lane', 'shop/gray']], []],
    ['dubbo', 'dubbo', [['dubbo.tag', 'gray']], []],
    ['asm', 'asm', [['x-asm-prefer-tag', 'gray']], []],
    ['nepxionWire', 'nepxion', [['n-d-version', 'gray']], []],
    [
      'joylive',
      'joylive',
      [
        ['x-lane-space-id', 'shop'],
        ['x-lane-code', 'gray'],
      ],
      [],
    ],
    ['openSergo', 'opensergo', [['opensergo-label', 'gray']], []],
  ])('%s: they read what we write', (source, format, headers, entries) => {
    const wire = createTagCodec({
      formats: [format],
      rules: () => ({ wireOf: () => SHOP, tagOfPolaris: () => undefined, polarisLabelsOf: () => [] }),
    }).wire('gray');
    expect(wire.headers, SOURCES[source]).toEqual(headers);
    expect(wire.entries.map(([, entry]) => entry)).toEqual(entries);
  });

  test("an attachment parses as in Alibaba's demo: the fourth piece between quotes is the tag", () => {
    const { attachments, headers } = createTagCodec({ formats: ['mse'] }).wire('gray');
    const [name, value] = attachments[0] ?? ['', ''];
    expect(name).toBe('__microservice_tag__');
    expect((value.split(',')[0] as string).split('"')[3], SOURCES.mse4Attachment).toBe('gray');
    // Underscores and quotes have no business in the headers of plain HTTP.
    expect(headers.map(([header]) => header)).toEqual(['x-mse-tag']);
  });

  test('words for base count nowhere else: baggage may have a lane with that name', () => {
    const codec = createTagCodec({ formats: ['baggage', 'asm'] });
    expect(codec.readRaw(['baggage', 'lane=base'])).toBe('base');
    expect(codec.readRaw(['x-asm-prefer-tag', 'default'])).toBe('default');
  });

  test('a word for base is neither a malformed tag nor a conflict: another format may name a lane', () => {
    const codec = createTagCodec({ formats: ['mse', 'baggage'] });
    expect(codec.readRaw(['x-mse-tag', 'base', 'baggage', 'lane=gray'])).toBe('gray');
    expect(codec.counts).toEqual({ conflicts: 0, malformed: 0 });
  });
});

describe('instances', () => {
  test.each<[source: Source, what: string, metadata: Record<string, string>, tag: string | undefined]>([
    ['msePods', 'the label of a pod in a lane', { 'alicloud.service.tag': 'gray', 'opensergo.io/canary-gray': 'gray' }, 'gray'],
    ['mseGo', 'the word for base', { 'alicloud.service.tag': 'base' }, undefined],
    ['mseIngress', 'base, said expressly', { 'opensergo.io/canary': '' }, undefined],
    ['mseGoInstances', 'the lane in a key', { 'preserved.register.source': 'SPRING_CLOUD', 'opensergo.io/canary-gray': 'gray' }, 'gray'],
    ['mseGoInstances', 'the older form', { '__micro.service.env__': '[{"desc":"k8s-pod-label","priority":100,"tag":"gray","type":"tag"}]' }, 'gray'],
    ['polarisInstances', 'the default label of a lane', { version: '1.0', lane: 'gray' }, 'gray'],
    [
      'dubbo',
      'the parameters of a provider, as its Nacos registry has them',
      { side: 'provider', application: 'inventory', dubbo: '2.0.2', protocol: 'tri', interface: 'shop.Inventory', 'dubbo.tag': 'gray' },
      'gray',
    ],
    ['joylive', 'labels of a location', { 'x-lane-space-id': '1', 'x-lane-code': 'gray' }, 'gray'],
    ['openSergo', 'the metadata of a node', { 'Opensergo-Label': 'gray' }, 'gray'],
    ['openSergoPods', 'the metadata of a node', { 'OpenSergo-Label': 'gray' }, 'gray'],
    ['openSergoPods', 'the label of a pod', { 'traffic.opensergo.io/label': 'gray' }, 'gray'],
    ['asm', 'the label of a workload', { app: 'mocka', ASM_TRAFFIC_TAG: 'v2' }, 'v2'],
    ['nepxionInstances', 'group and version', { group: 'shop', version: 'gray', 'spring.application.type': 'service' }, 'gray'],
    ['nepxionInstances', 'no version', { group: 'shop', 'spring.application.type': 'service' }, undefined],
    ['nepxionInstances', 'the version of what has none', { group: 'shop', version: 'default' }, undefined],
  ])('%s: %s', (source, _, metadata, tag) => {
    expect(tagOfMetadata(metadata, source === 'nepxionInstances' ? ['nepxion'] : ['baggage']), SOURCES[source]).toBe(tag);
  });

  test.each<[source: Source, format: FormatName, key: string]>([
    ['msePods', 'mse', 'alicloud.service.tag'],
    ['polarisInstances', 'polaris', 'lane'],
    ['dubbo', 'dubbo', 'dubbo.tag'],
    ['asm', 'asm', 'ASM_TRAFFIC_TAG'],
    ['nepxionInstances', 'nepxion', 'version'],
    ['joylive', 'joylive', 'x-lane-code'],
    ['openSergoPods', 'opensergo', 'OpenSergo-Label'],
  ])('%s: our instances register what they look for', (source, format, key) => {
    expect(createTagCodec({ formats: [format] }).metadata('gray'), SOURCES[source]).toHaveProperty([key], 'gray');
  });
});
