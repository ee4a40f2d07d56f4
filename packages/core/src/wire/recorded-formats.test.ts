/**
 * What other lane systems put on the wire and into the registry, as their own sources have it. Each shape names the file or page where
 * it was found: whoever doubts one looks there.
 */
import { describe, expect, test } from 'vitest';
import { tagOfMetadata, type FormatName } from './formats.js';
import { createTagCodec, linesOf } from './tag-codec.js';

type Headers = ReadonlyArray<readonly [name: string, value: string]>;

const SOURCES = {
  mseGateway: 'alibaba/higress, plugins/wasm-go/extensions/traffic-tag/README.md',
  mseGo: 'alibaba/sentinel-golang, core/route/consts.go',
  mseGoInstances: 'alibaba/sentinel-golang, core/route/nacos/nacos.go',
  msePods: 'openkruise.io, rollouts: end-to-end canary release with MSE',
  mseIngress: 'Alibaba Cloud, APIG Ingress annotations: service-subset',
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
    ['polarisWire', 'group and lane rule', 'polaris', [['service-lane', 'shop/gray']], 'gray'],
    ['dubbo', 'an attachment, as Triple sends it', 'dubbo', [['dubbo.tag', 'gray']], 'gray'],
    ['dubbo', 'an empty attachment is none', 'dubbo', [['dubbo.tag', '']], undefined],
    ['asm', 'the lane', 'asm', [['x-asm-prefer-tag', 's1']], 's1'],
    ['nepxionWire', 'one version for all services', 'nepxion', [['n-d-version', '1.1']], '1.1'],
    ['nepxionWire', 'the version of what has none', 'nepxion', [['n-d-version', 'default']], undefined],
    // What one tag can't say counts as none, and is passed on by nobody.
    ['nepxionWire', 'a version for each service', 'nepxion', [['n-d-version', '{"spring-cloud-b":"1.1","spring-cloud-c":"1.0"}']], undefined],
    ['nepxionWire', 'several versions', 'nepxion', [['n-d-version', '1.0;1.1']], undefined],
    ['nepxionWire', 'a pattern', 'nepxion', [['n-d-version', '1.*']], undefined],
  ])('%s: %s', (source, _, format, headers, tag) => {
    const codec = createTagCodec({ formats: [format] });
    expect(codec.readRaw(headers.flat()), SOURCES[source]).toBe(tag);
    expect(codec.read((name) => linesOf(headers.flat(), name))).toBe(tag);
  });

  test.each<[source: Source, format: FormatName, headers: Headers, entries: readonly string[]]>([
    ['mseGo', 'mse', [['x-mse-tag', 'gray']], ['x-mse-gray-tag=gray']],
    ['polarisWire', 'polaris', [['service-lane', 'shop/gray']], []],
    ['dubbo', 'dubbo', [['dubbo.tag', 'gray']], []],
    ['asm', 'asm', [['x-asm-prefer-tag', 'gray']], []],
    ['nepxionWire', 'nepxion', [['n-d-version', 'gray']], []],
  ])('%s: what we write is what they read', (source, format, headers, entries) => {
    const wire = createTagCodec({ formats: [format], groupOf: () => 'shop' }).wire('gray');
    expect(wire.headers, SOURCES[source]).toEqual(headers);
    expect(wire.entries.map(([, entry]) => entry)).toEqual(entries);
  });

  test('words for base count nowhere else: baggage may have a lane of that name', () => {
    const codec = createTagCodec({ formats: ['baggage', 'asm'] });
    expect(codec.readRaw(['baggage', 'lane=base'])).toBe('base');
    expect(codec.readRaw(['x-asm-prefer-tag', 'default'])).toBe('default');
  });

  test('a word for base is no malformed tag and no conflict: another format may know better', () => {
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
  ])('%s: our instances register what they look for', (source, format, key) => {
    expect(createTagCodec({ formats: [format] }).metadata('gray'), SOURCES[source]).toHaveProperty([key], 'gray');
  });
});
