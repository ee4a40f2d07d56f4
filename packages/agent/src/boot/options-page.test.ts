/** The page of options in the documents is written from the tables that the agent reads: `npm run docs -- --write`. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CONFIG_VARIABLE, OPTION_ROWS } from '@lane/core/agent';
import { INSTRUMENTATIONS } from '../instrumentations/index.js';

interface Words {
  readonly meaning: string;
  /** What holds without the option, where that is no fixed value. */
  readonly without?: string;
}

const OF_THE_CLIENT = "that of the app's own client";

/** What no table of the agent has to know. */
const WORDS: Readonly<Record<keyof typeof OPTION_ROWS, Words>> = {
  service: {
    meaning: 'name of this service, used by entry rules',
    without: 'the name that the app registers in Nacos, else the one in its package.json',
  },
  tag: {
    meaning: "this instance's tag; also read from the labels `alicloud.service.tag` and `traffic.opensergo.io/label` in /etc/podinfo/labels",
    without: 'none: base',
  },
  stamp: { meaning: "give untagged inbound requests this instance's tag" },
  background: { meaning: 'lane of work outside any request: `own` (that of the instance) or `base`' },
  fallback: { meaning: 'what serves calls to a service in which the lane has no instance: `base` or `none`. A lane may override it' },
  baseMode: { meaning: 'which instances are base: `untagged`, or `outside-enabled-lanes`. A lane group may override it with `baseMode`' },
  formats: { meaning: 'formats to write; `header(HEADER)` is a custom header' },
  formatsIn: { meaning: 'formats to read, in this order', without: 'those of `LANE_FORMATS`' },
  baggageKey: { meaning: "key of Lane's entry in the `baggage` header" },
  trust: { meaning: 'callers whose tags are trusted: `all`, `none`, or their networks' },
  propagateTo: { meaning: 'hosts that receive tags: `internal`, `all`, or host patterns in addition to internal hosts' },
  baggageBoundary: {
    meaning: '`strip` removes other baggage from tagged and untagged calls to hosts that receive no tag; gRPC calls and messages keep it',
  },
  services: {
    meaning:
      'host names that stand for services: `pay`, or `host=service`. Add a port that the service has besides its registered ones: `pay:8080`, `pay.internal:8443=pay`. [More](../guides/calls-by-name.md)',
    without: 'the services of the known lane groups',
  },
  registry: {
    meaning:
      'registry that resolves calls by service name: `nacos`; `kubernetes` ([EndpointSlices and pod labels](../../packages/kubernetes-registry/README.md)); or a package of the app with [its own registry](../../examples/registry-from-files)',
  },
  registryHoldMs: {
    meaning: 'how long to keep instances that the registry drops in bulk; it may have [lost them](../guides/registry-outages.md)',
    without: "the registry's: with Nacos 40s",
  },
  outlier: {
    meaning:
      "when to eject instances that [fail while others in their lane don't](../guides/outliers.md). Thresholds that you omit keep their defaults; `on` sets all defaults",
  },
  corrects: {
    meaning:
      "which of the addresses that the app chooses to correct: those of the wrong lane (`lanes`), or also those of [instances that are gone or can't be reached](../guides/registry-outages.md#addresses-that-an-app-keeps) (`all`)",
  },
  near: {
    meaning:
      'prefer [near instances](../guides/near-first.md) within a lane: `zone`, or `region`. The default thresholds are `least=1,share=20%,few=0`',
  },
  zone: { meaning: "zone of this process, used by its own `LANE_NEAR` and its callers'", without: 'the zone of its pod or its registration' },
  region: { meaning: 'region of this process, used likewise', without: 'the region of its pod or its registration' },
  kubernetesAccount: { meaning: 'folder of a service account: `token`, `ca.crt`, `namespace`', without: 'that of the pod' },
  kubernetesServer: { meaning: 'URL of the API server, for instance of `kubectl proxy`', without: "in a pod, the cluster's" },
  nacosServer: { meaning: 'address of Nacos', without: OF_THE_CLIENT },
  nacosNamespace: { meaning: 'namespace in Nacos', without: OF_THE_CLIENT },
  nacosGroup: { meaning: 'Nacos group of services called by name' },
  nacosUsername: { meaning: 'user of Nacos', without: OF_THE_CLIENT },
  nacosPassword: { meaning: 'password of Nacos', without: OF_THE_CLIENT },
  nacosTransport: { meaning: 'transport to Nacos; `auto` asks the server and prefers HTTP', without: OF_THE_CLIENT },
  rules: { meaning: 'source of the lane groups' },
  context: { meaning: '`cls` also sets the tag in the cls-hooked namespace `lane`' },
  messages: {
    meaning:
      'who handles a message: with `share` any consumer, in the lane of the message; with `isolate` only [consumers of its lane](../guides/messages.md)',
  },
  traces: { meaning: 'export OpenTelemetry spans, for [apps without an OpenTelemetry of their own](../guides/opentelemetry.md)' },
  snapshotDir: {
    meaning: 'folder for snapshots of instances, read by a restart while Nacos is down',
    without: "a folder `lane-<uid>` in the system's temporary folder",
  },
  losslessMs: {
    meaning: '[register the app once it can serve, and deregister it before it gets SIGTERM](../guides/lossless.md)',
    without: 'off',
  },
  readyPath: { meaning: 'with `LANE_LOSSLESS`: path that has to answer 2xx before the app is registered, such as `/ready`', without: 'none' },
  warmupMs: { meaning: "how long this instance's share of calls [ramps up after it has registered](../guides/lossless.md#warm-up)", without: 'off' },
  adminPort: { meaning: 'port that serves [metrics, status and a drain](../guides/monitoring.md); `0` takes a free one', without: 'none' },
  adminHost: {
    meaning:
      "address of the admin port. It accepts requests whose `Host` is an IP address, `localhost` or this host's name; beyond loopback also names that are not public (no dot, `.svc`, `.local`, `.internal`)",
  },
  instrumentations: {
    meaning: 'packages of the app that [instrument more libraries](../../packages/agent/README.md#a-library-of-your-own)',
    without: 'none',
  },
  bind: {
    meaning:
      "library methods whose callbacks run in their caller's lane, such as [`some-queue:Queue.prototype.push[0]`](../../packages/agent/README.md#a-callback-that-loses-its-lane)",
    without: 'none',
  },
  disable: { meaning: 'names of [instrumentations](#instrumentations) to leave out, or `all`', without: 'none' },
  doctorTrace: {
    meaning:
      'folder into which the app reports its calls; [`lane doctor --trace`](../../packages/cli/README.md#what-loses-the-lane) sets it. Do not use it in production: it watches every file that is loaded',
    without: 'none',
  },
  log: { meaning: 'lowest level that the agent logs' },
  logFormat: { meaning: '`json`: one object per line' },
};

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (text: string): string => `\`${text}\``;
/** Text that is no Markdown, as a cell. */
const plain = (text: string): string => cell(text.replace(/[\\`*_~<]/g, '\\$&'));

test('docs/reference/options.md matches the tables', async () => {
  const rows = Object.entries(OPTION_ROWS).map(([key, row]) => {
    const { meaning, without } = WORDS[key as keyof typeof OPTION_ROWS];
    const fallback: unknown = row.fallback;
    const hasValue = fallback !== undefined && !(Array.isArray(fallback) && fallback.length === 0);
    // Words for a default that has a value would hide it.
    expect(without === undefined, row.variable).toBe(hasValue);
    const aliases = 'aliases' in row ? `; also read from ${row.aliases.map(code).join(', ')}` : '';
    return `| ${code(row.variable)} | ${hasValue ? code(row.show?.(fallback) ?? String(fallback)) : without} | ${plain(row.accepts)} | ${cell(meaning)}${aliases} |`;
  });
  const closing = Object.values(OPTION_ROWS).flatMap((row) =>
    'whenUnusable' in row ? [`| ${code(row.variable)} | ${row.whenUnusable.meaning} |`] : [],
  );
  const instrumentations = Object.entries(INSTRUMENTATIONS).map(([name, { library, versions, patches }]) => {
    const ranges = Object.entries(versions).map(([of, range]) => `${of === 'node' ? 'Node' : of} ${range}`);
    return `| ${code(name)} | ${plain(library)} | ${plain(ranges.join(', '))} | ${plain(patches)} |`;
  });
  await expect(`# Options of the agent

<!-- Written by \`npm run docs -- --write\` from the agent's own tables. -->

The agent reads each option from the environment, else from the JSON or YAML file that \`${CONFIG_VARIABLE}\` names. Keys in the file are the names below, or their
short form: \`nacosServer\` for \`LANE_NACOS_SERVER\`.

| variable | default | accepted | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}

## Values that can't be used

The agent reports an invalid value in one line on stderr and ignores it. Security options fail closed instead. They also fail closed if the file of \`${CONFIG_VARIABLE}\`
can't be read and the environment does not set them. An empty value counts as not set, except for \`LANE_TRUST\` and \`LANE_BAGGAGE_BOUNDARY\`, which fail closed:

| variable | value in force |
| --- | --- |
${closing.join('\n')}

## Instrumentations

\`LANE_DISABLE\` accepts these names. It also accepts \`LANE_BIND\`, which turns off everything that the variable \`LANE_BIND\` names.

| name | library | versions | what it patches |
| --- | --- | --- | --- |
${instrumentations.join('\n')}
`).toMatchFileSnapshot(join(__dirname, '../../../../docs/reference/options.md'));
});
