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
    meaning: 'name of the service, for entry rules',
    without: 'the name under which the app registers in Nacos, else that in its package.json',
  },
  tag: {
    meaning: "this instance's tag; also read from the labels `alicloud.service.tag` and `traffic.opensergo.io/label` in /etc/podinfo/labels",
    without: 'none: base',
  },
  stamp: { meaning: "give untagged inbound requests the instance's own tag" },
  background: { meaning: 'the lane of work that belongs to no request: `own` or `base`' },
  fallback: { meaning: 'what serves where a lane has no instance: `base` or `none`; a lane may set its own' },
  baseMode: { meaning: 'which instances are base: `untagged`, or `outside-enabled-lanes`; a lane group may set its own `baseMode`' },
  formats: { meaning: 'formats written; `header(HEADER)` is a header of your own' },
  formatsIn: { meaning: 'formats read, in order', without: 'those of `LANE_FORMATS`' },
  baggageKey: { meaning: "key of Lane's entry in the `baggage` header" },
  trust: { meaning: 'whose tags are believed: `all`, `none`, or the networks of peers' },
  propagateTo: { meaning: 'where tags are sent: `internal`, `all`, or host patterns added to internal' },
  baggageBoundary: {
    meaning:
      '`strip` removes the baggage of others from calls to hosts to which no tag goes, with a tag or without; not from gRPC calls and messages',
  },
  services: {
    meaning:
      "hosts that are service names: `pay`, `host=service`, or either with a port that is the service's besides those that are registered: `pay:8080`, `pay.internal:8443=pay`. [More](../guides/calls-by-name.md)",
    without: 'the services of the known lane groups',
  },
  registry: {
    meaning:
      'where services called by name are found: `nacos`; `kubernetes`, by [EndpointSlices and labels of pods](../../packages/kubernetes-registry/README.md); or a package of the app with [a registry of its own](../../examples/registry-from-files)',
  },
  registryHoldMs: {
    meaning: 'how long instances that the registry takes away in bulk stay in use, as it may have [forgotten them](../guides/registry-outages.md)',
    without: "the registry's: with Nacos 40s",
  },
  outlier: {
    meaning:
      'when instances that [fail again and again](../guides/outliers.md) get no calls for a while: `on`, or some of `connect=1,5xx=5,time=30s,cap=50%`, which are what `on` means',
  },
  near: {
    meaning:
      'whether [near instances come first](../guides/near-first.md), within a lane: `zone`, or `region`. What is not written of the thresholds is `least=1,share=20%,few=0`',
  },
  zone: { meaning: 'where this process is, for `LANE_NEAR` of its own and of its callers', without: 'what its pod or its registration says' },
  region: { meaning: 'likewise', without: 'what its pod or its registration says' },
  kubernetesAccount: { meaning: 'folder of a service account: `token`, `ca.crt`, `namespace`', without: 'that of the pod' },
  kubernetesServer: { meaning: 'URL of the API server, such as that of `kubectl proxy`', without: 'that of the cluster, in a pod' },
  nacosServer: { meaning: 'where Nacos is', without: OF_THE_CLIENT },
  nacosNamespace: { meaning: 'namespace in Nacos', without: OF_THE_CLIENT },
  nacosGroup: { meaning: 'group of services called by name' },
  nacosUsername: { meaning: 'user of Nacos', without: OF_THE_CLIENT },
  nacosPassword: { meaning: 'password of Nacos', without: OF_THE_CLIENT },
  nacosTransport: { meaning: 'how the agent speaks with Nacos; `auto` asks the server, and takes HTTP where it has both', without: OF_THE_CLIENT },
  rules: { meaning: 'where lane groups come from' },
  context: { meaning: '`cls` also sets the tag in the cls-hooked namespace `lane`' },
  messages: {
    meaning:
      'who handles messages: with `share` any consumer, in the lane of the message; with `isolate` [consumers of its lane](../guides/messages.md)',
  },
  traces: { meaning: 'export OpenTelemetry spans, for [apps without an OpenTelemetry of their own](../guides/opentelemetry.md)' },
  snapshotDir: {
    meaning: 'where instances are remembered for a restart while Nacos is down',
    without: "a folder `lane-<uid>` in the system's temporary folder",
  },
  losslessMs: {
    meaning: '[registers the app when it can serve, and takes it out before SIGTERM reaches it](../guides/lossless.md)',
    without: 'off',
  },
  readyPath: { meaning: 'with `LANE_LOSSLESS`: has to answer 2xx before the app is registered, such as `/ready`', without: 'none' },
  warmupMs: { meaning: 'how long the share of this instance [rises after it has registered](../guides/lossless.md#warm-up)', without: 'off' },
  adminPort: { meaning: 'serve [figures, status and a drain](../guides/monitoring.md) on this port; `0` takes a free one', without: 'none' },
  adminHost: {
    meaning:
      'where the admin port listens. Requests name it by an address, `localhost`, this host, or beyond loopback a name that is not public (no dot, `.svc`, `.local`, `.internal`)',
  },
  instrumentations: {
    meaning: 'packages of the app with [instrumentations of further libraries](../../packages/agent/README.md#a-library-of-your-own)',
    without: 'none',
  },
  bind: {
    meaning:
      'methods of libraries whose callbacks keep the lane of their caller, such as [`some-queue:Queue.prototype.push[0]`](../../packages/agent/README.md#a-callback-that-loses-its-lane)',
    without: 'none',
  },
  disable: { meaning: '[instrumentations](#instrumentations) to leave out, by name, or `all`', without: 'none' },
  doctorTrace: {
    meaning:
      'a folder in which the app reports its calls to [`lane doctor --trace`](../../packages/cli/README.md#what-loses-the-lane), which sets it. Not for production: it watches every file that is loaded',
    without: 'none',
  },
  log: { meaning: 'how much the agent logs' },
  logFormat: { meaning: '`json`: one object per line' },
};

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (text: string): string => `\`${text}\``;
/** Text that is no Markdown, as a cell. */
const plain = (text: string): string => cell(text.replace(/[\\`*_~<]/g, '\\$&'));

test('docs/reference/options.md is what the tables say', async () => {
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

The agent reads options from the environment, else from the JSON or YAML file named by \`${CONFIG_VARIABLE}\`. Keys in the file are the names below, or their short form:
\`nacosServer\` for \`LANE_NACOS_SERVER\`.

| variable | default | accepted | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}

## Values that can't be used

The agent reports such a value in one line on stderr, and the app starts without it. Options that keep others out close instead. So does a file that can't be
read, unless the environment sets them. An empty value counts as not set, except for \`LANE_TRUST\` and \`LANE_BAGGAGE_BOUNDARY\`, which close:

| variable | what holds |
| --- | --- |
${closing.join('\n')}

## Instrumentations

Names for \`LANE_DISABLE\`. \`LANE_BIND\` there leaves out what the variable \`LANE_BIND\` names.

| name | library | versions | what it patches |
| --- | --- | --- | --- |
${instrumentations.join('\n')}
`).toMatchFileSnapshot(join(__dirname, '../../../../docs/reference/options.md'));
});
