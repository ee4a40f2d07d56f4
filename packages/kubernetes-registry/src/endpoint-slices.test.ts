import { describe, expect, test } from 'vitest';
import { instancesBehind, type Endpoint, type EndpointSlice, type KnownPod, type Service } from './endpoint-slices.js';
import { metadataOfLabels } from './pod-labels.js';
import { knownPod } from './service-resources.js';

const pods = new Map<string, KnownPod>([
  ['base', { uid: 'u1', metadata: {} }],
  ['gray', { uid: 'u2', metadata: metadataOfLabels({ 'lane.dev/tag': 'gray' }) }],
]);
const HTTP: Service = { spec: { ipFamilies: ['IPv4'], ports: [{ name: 'http', port: 80 }] } };

const ready = (address: string, pod: string, conditions: Endpoint['conditions'] = { ready: true }): Endpoint => ({
  addresses: [address],
  conditions,
  targetRef: { kind: 'Pod', name: pod },
});
const slice = (endpoints: Endpoint[], more: Partial<EndpointSlice> = {}): EndpointSlice => ({
  metadata: { name: 'one' },
  addressType: 'IPv4',
  endpoints,
  ports: [{ name: 'http', port: 8080 }],
  ...more,
});
/** `ip:port`, `!` if unhealthy, and the tag. */
const told = (service: Service, slices: EndpointSlice[], port: number | undefined = 80): string[] | undefined =>
  instancesBehind(service, slices, pods, port)?.instances.map(
    ({ ip, port: to, healthy, metadata }) => `${ip}:${to}${healthy ? '' : '!'}${metadata['lane'] === undefined ? '' : ` ${metadata['lane']}`}`,
  );

test('instances of several slices, each with the tag of its pod', () => {
  expect(told(HTTP, [slice([ready('10.0.0.1', 'base')]), slice([ready('10.0.0.2', 'gray')], { ports: [{ name: 'http', port: 9090 }] })])).toEqual([
    '10.0.0.1:8080',
    '10.0.0.2:9090 gray',
  ]);
});

test('an instance is in the zone of its endpoint, unless its pod names another one', () => {
  const placed = new Map<string, KnownPod>([
    ['base', knownPod({ metadata: { name: 'base' } })],
    [
      'gray',
      knownPod({ metadata: { name: 'gray', labels: { 'topology.kubernetes.io/zone': 'a', 'topology.kubernetes.io/region': 'r', other: 'b' } } }),
    ],
  ]);
  const endpoints = [
    { ...ready('10.0.0.1', 'base'), zone: 'b' },
    { ...ready('10.0.0.2', 'gray'), zone: 'b' },
    { ...ready('10.0.0.3', 'base'), zone: null },
  ];
  expect(instancesBehind(HTTP, [slice(endpoints)], placed, 80)?.instances.map(({ metadata }) => metadata)).toEqual([
    { 'topology.kubernetes.io/zone': 'b' },
    { 'topology.kubernetes.io/zone': 'a', 'topology.kubernetes.io/region': 'r' },
    {},
  ]);
});

describe('the port of the call leads to that of the pod', () => {
  const two: Service = {
    spec: {
      ports: [
        { name: 'http', port: 80 },
        { name: 'admin', port: 9000 },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
    },
  };
  const ports = [
    { name: 'admin', port: 9001 },
    { name: 'http', port: 8080 },
    { name: 'dns', port: 5353, protocol: 'UDP' },
  ];
  test.each<[string, Service, EndpointSlice['ports'], number | undefined, string[] | undefined]>([
    ['by its name', two, ports, 9000, ['10.0.0.1:9001']],
    ['by its name, the other one', two, ports, 80, ['10.0.0.1:8080']],
    ['no port of TCP', two, ports, 53, undefined],
    ['no port at all', two, ports, 8080, undefined],
    ['of the same name for TCP and UDP', two, [{ name: 'http', port: 1, protocol: 'UDP' }, ...ports], 80, ['10.0.0.1:8080']],
    ['without a name', { spec: { ports: [{ port: 80 }] } }, [{ name: '', port: 8080 }], 80, ['10.0.0.1:8080']],
    ['of a slice that does not have it', two, [{ name: 'admin', port: 9001 }], 80, []],
    ['headless: the same', { spec: { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] } }, ports, 8080, ['10.0.0.1:8080']],
    ['headless: another', { spec: { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] } }, ports, 80, []],
    ['headless without ports', { spec: { clusterIP: 'None' } }, [], 1234, ['10.0.0.1:1234']],
    ['any', two, ports, undefined, ['10.0.0.1:9001']],
  ])('%s', (_, service, slicePorts, port, expected) => {
    const behind = instancesBehind(service, [slice([ready('10.0.0.1', 'base')], { ports: slicePorts as never })], pods, port);
    expect(behind?.instances.map(({ ip, port: to }) => `${ip}:${to}`)).toEqual(expected);
  });
});

describe('conditions', () => {
  test.each<[string, Array<Endpoint['conditions']>, string[]]>([
    ['nothing said is ready', [undefined, { ready: null }], ['10.0.0.0:8080', '10.0.0.1:8080']],
    ['not ready', [{ ready: false }, { ready: true }], ['10.0.0.0:8080!', '10.0.0.1:8080']],
    [
      'terminating, while another is ready',
      [{ ready: false, serving: true, terminating: true }, { ready: true }],
      ['10.0.0.0:8080!', '10.0.0.1:8080'],
    ],
    ['terminating, and nothing else: serves to the end', [{ ready: false, serving: true, terminating: true }], ['10.0.0.0:8080']],
    ['terminating, and not serving any more', [{ ready: false, serving: false, terminating: true }], ['10.0.0.0:8080!']],
  ])('%s', (_, conditions, expected) => {
    const endpoints = conditions.map((one, index) => ({ ...ready(`10.0.0.${index}`, 'base'), conditions: one as never }));
    expect(told(HTTP, [slice(endpoints)])).toEqual(expected);
  });
});

describe('omits', () => {
  test('a pod that is not known yet: it might be in any lane', () => {
    expect(instancesBehind(HTTP, [slice([ready('10.0.0.1', 'base'), ready('10.0.0.2', 'new')])], pods, 80)).toMatchObject({
      instances: [{ ip: '10.0.0.1' }],
      unknownPods: ['new'],
    });
  });

  test('a pod that reuses the name of another one', () => {
    const reborn: Endpoint = { addresses: ['10.0.0.2'], targetRef: { kind: 'Pod', name: 'gray', uid: 'u3' } };
    expect(instancesBehind(HTTP, [slice([reborn])], pods, 80)).toEqual({ instances: [], unknownPods: ['gray'] });
  });

  test('names instead of addresses, and the second address of a pod', () => {
    const six = slice([ready('fd00::1', 'base')], { addressType: 'IPv6' });
    const names = slice([{ addresses: ['b.example.com'] }], { addressType: 'FQDN' });
    const four = slice([ready('10.0.0.1', 'base')]);
    expect(told(HTTP, [six, names, four])).toEqual(['10.0.0.1:8080']);
    expect(told({ spec: { ...HTTP.spec, ipFamilies: ['IPv6', 'IPv4'] } }, [six, four])).toEqual(['fd00::1:8080']);
    expect(told({ spec: { ports: [{ name: 'http', port: 80 }] } }, [six])).toEqual(['fd00::1:8080']);
  });

  test('the second of two entries, while an endpoint moves from one slice to another', () => {
    expect(told(HTTP, [slice([ready('10.0.0.1', 'base', { ready: false })]), slice([ready('10.0.0.1', 'base')])])).toEqual(['10.0.0.1:8080']);
    expect(told(HTTP, [slice([ready('10.0.0.1', 'base')]), slice([ready('10.0.0.1', 'base', { ready: false })])])).toEqual(['10.0.0.1:8080']);
  });
});

test('endpoints without pods, of hand-written slices, are base', () => {
  expect(told(HTTP, [slice([{ addresses: ['192.0.2.1'] }])])).toEqual(['192.0.2.1:8080']);
  expect(told(HTTP, [slice(null as never, { ports: null })])).toEqual([]);
});

test.each([
  [{ 'lane.dev/tag': 'gray', 'alicloud.service.tag': 'blue' }, { lane: 'gray' }],
  [{ 'alicloud.service.tag': 'blue' }, { 'alicloud.service.tag': 'blue' }],
  [{ 'lane.dev/tag': '', 'alicloud.service.tag': 'blue' }, { lane: '' }],
  [{ app: 'b' }, {}],
  [undefined, {}],
])('labels %j become metadata %j', (labels, metadata) => {
  expect(metadataOfLabels(labels as never)).toEqual(metadata);
});
