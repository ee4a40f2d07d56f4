import { Command, InvalidArgumentError } from 'commander';
import {
  createTagCodec,
  decideRequestTag,
  explainHop,
  isTag,
  surveyServices,
  tablesOf,
  tagOfService,
  TAG_RULE,
  type Carried,
  type HopExplanation,
  type InstanceRole,
  type Reason,
  type Tag,
} from '@lane/core/model';
import type { AgentsInstance } from '@lane/console/agents';
import { explainEntry, requestView, type EntryExplanation, type LaneRules, type RuleTrial } from '@lane/core/rules';
import { CliError } from '../cli-error.js';
import { EXIT } from '../exit-codes.js';
import { formatsOption, type FormatsArguments } from '../formats-option.js';
import { printJson, styled, table } from '../output.js';
import { withRegistry, withRegistryOptions, type RegistryArguments } from '../registry-options.js';
import { readAll } from './status.js';

/** `lane explain`. */
export function explainCommand(): Command {
  return withRegistryOptions(new Command('explain'))
    .description('explain a request: which rule matches, which lane it enters, and which instances serve it at each hop, and why')
    .argument('[url]', 'URL of the request, or only its path', parseUrl)
    .option('--host <name>', 'Host of the request; default: that of the URL')
    .option('--header <name=value>', 'a header of the request; repeatable', collectPair)
    .option('--cookie <name=value>', 'a cookie of the request; repeatable', collectPair)
    .option('--path <path>', 'path of the request; default: that of the URL, else /')
    .option('--query <name=value>', 'a query parameter of the request; repeatable', collectPair)
    .option('--method <method>', 'method of the request', 'GET')
    .option('--client-ip <address>', 'address of the client')
    .option('--entry <service>', 'service or gateway where it enters; default: the first entry of the lane groups')
    .option('--from <service>', 'explain calls from this service in the lane of --tag, without an entry')
    .option('--tag <tag>', 'a tag that the request already has', parseTag)
    .option('--via <services>', 'services that it passes, in order, a comma-separated list; default: those of the entry’s group', parseServices)
    .option('--rules <file>', 'read lane groups from this JSON or YAML file instead of Nacos')
    .addOption(formatsOption())
    .option('--json', 'as JSON')
    .action(explain);
}

interface Given extends RegistryArguments, FormatsArguments {
  host?: string;
  header?: Pair[];
  cookie?: Pair[];
  path?: string;
  query?: Pair[];
  method: string;
  clientIp?: string;
  entry?: string;
  from?: string;
  tag?: Tag;
  via?: string[];
  json?: boolean;
}
type Pair = readonly [name: string, value: string];

/** A hop, and what agents know of its instances: each caller uses what its own agent knows. */
interface ExplainedHop extends HopExplanation {
  readonly agents: readonly AgentsInstance[];
}

/** The request's tag, and where it comes from. */
interface Entered {
  readonly tag: Tag | undefined;
  readonly source: 'inbound' | 'rule' | 'none';
  readonly rule: string | undefined;
  /** Set if the request names a tag per service (Nepxion). */
  readonly carried: Carried | undefined;
  /** undefined: the request came with a tag, so no rule is tried, or it does not pass an entry. */
  readonly entry: EntryExplanation | undefined;
  /** A tag of the request that counts as none because no enabled lane has it. */
  readonly ignoredTag: Tag | undefined;
}

async function explain(url: URL | undefined, options: Given, command: Command): Promise<void> {
  const host = options.host ?? (url?.host === NO_HOST ? undefined : url?.host);
  const given = { ...options, ...(host === undefined ? {} : { host }), path: options.path ?? `${url?.pathname ?? '/'}${url?.search ?? ''}` };
  await withRegistry(given, command, async (opened) => {
    const { rules, tableOf: known, survey: grouped } = await readAll(opened, given);
    const entryService = given.entry ?? given.from ?? rules.document.groups.find(({ entry }) => entry !== undefined)?.entry?.services[0];
    const entered = enter(rules, entryService, given);
    const hops = given.via ?? hopsOf(rules, entryService, entered);
    if (hops.length === 0)
      throw new CliError('no lane group lists the services that the request passes: name them with --via a,b,c', 'ELANE_USAGE', EXIT.usage);
    const strangers = hops.filter((service) => known(service) === undefined);
    const survey = await surveyServices(opened.registry, { group: opened.group, services: strangers });
    const others = tablesOf(survey, rules, { formats: given.formats });
    const { askAgents, agentsInstancesOf, isLoopbackServer } = await import('@lane/console/agents');
    const views = await askAgents([...grouped, ...survey], isLoopbackServer(opened.registry.state?.server ?? ''));
    const explained = hops.map((service): ExplainedHop => {
      const table = (known(service) ?? others(service)) as NonNullable<ReturnType<typeof known>>;
      const tag = entered.carried === undefined ? entered.tag : tagOfService(entered.carried.tags, service);
      return { ...explainHop(table, tag), agents: agentsInstancesOf(views, table.key) };
    });
    if (given.json === true) {
      const { entry, tag, source, rule, ignoredTag } = entered;
      printJson({
        entry: entry ?? null,
        tag: tag ?? null,
        source,
        rule: rule ?? null,
        byChance: isByChance(entered),
        ignoredTag: ignoredTag ?? null,
        hops: explained,
      });
    } else console.log(tell(entryService, entered, explained));
  });
}

function enter(rules: LaneRules, service: string | undefined, given: Given & { path: string }): Entered {
  const headers: Record<string, string> = { ...(given.host === undefined ? {} : { host: given.host }) };
  for (const [name, value] of given.header ?? []) headers[name.toLowerCase()] = value;
  if (given.cookie !== undefined) headers['cookie'] = given.cookie.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('; ');
  const query = new URLSearchParams((given.query ?? []).map(([name, value]): [string, string] => [name, value])).toString();
  const url = query === '' ? given.path : `${given.path}${given.path.includes('?') ? '&' : '?'}${query}`;
  const request = requestView({ method: given.method.toUpperCase(), url, headers, clientIp: given.clientIp });
  const codec = createTagCodec({ formats: given.formats });
  const inbound = given.tag ?? codec.read((name) => headers[name], service);
  const asked = service === undefined || given.from !== undefined ? undefined : explainEntry(rules.document, service, request, Math.random);
  const decided = decideRequestTag(inbound, () => request, {
    rules,
    // Reuse the explanation's match: a second random draw could differ.
    entry: asked === undefined ? undefined : { match: () => asked.match },
    stamp: undefined,
    random: Math.random,
  });
  return {
    tag: decided.tag,
    source: decided.source === 'stamp' ? 'none' : decided.source,
    rule: decided.rule,
    // A rule and --tag set one tag for all services; only an inbound header can name one per service.
    carried: given.tag === undefined && decided.tag === inbound ? codec.carriedIn?.((name) => headers[name]) : undefined,
    entry: decided.source === 'inbound' ? undefined : asked,
    ignoredTag: inbound !== undefined && decided.source !== 'inbound' ? inbound : undefined,
  };
}

/** The services of the request's group, in the group's order. */
function hopsOf(rules: LaneRules, service: string | undefined, { entry }: Entered): readonly string[] {
  const { groups } = rules.document;
  const group =
    groups.find(({ name }) => name === (entry?.match?.group ?? entry?.groups[0])) ??
    groups.find(({ services }) => service !== undefined && services.includes(service)) ??
    groups[0];
  return group?.services ?? [];
}

function tell(service: string | undefined, entered: Entered, hops: readonly ExplainedHop[]): string {
  const lines: string[] = [];
  if (entered.ignoredTag !== undefined) lines.push(`its tag ${entered.ignoredTag} counts as none: no enabled lane has it`);
  if (entered.source === 'inbound') lines.push(`it already has the tag ${styled('bold', entered.tag ?? '')}, so no rule applies`);
  if (entered.entry !== undefined) {
    const { trials, groups } = entered.entry;
    lines.push(styled('bold', `Entry ${service}`));
    if (groups.length === 0) lines.push('  is not an entry of any lane group: no rule applies');
    else if (trials.length === 0) lines.push('  its lane groups have no rules');
    for (const trial of trials) lines.push(`  ${trial.group}/${trial.lane}/${trial.rule}: ${tellTrial(trial)}`);
  }
  const fate = entered.tag === undefined ? 'no tag: base' : `in the lane of tag ${styled('bold', entered.tag)}`;
  if (isByChance(entered))
    lines.push(
      `This time it is ${entered.tag === undefined ? 'in no lane' : fate}: the share is drawn at random, and the next such request may go elsewhere.`,
    );
  else lines.push(entered.tag === undefined ? `It has ${fate}.` : `It is ${fate}.`);
  for (const hop of hops) {
    lines.push('', `${styled('bold', hop.service)}: ${REASONS[hop.reason](hop)}`);
    const agents = new Map(hop.agents.map((known) => [known.address, known]));
    const listed = new Set<string>();
    const rows = hop.instances.map(({ instance, tag, role, share }) => {
      const address = `${instance.ip}:${instance.port}`;
      listed.add(address);
      return [
        `  ${address}`,
        tag ?? 'base',
        role === 'serves' ? styled('green', `serves ${Math.round(share * 1000) / 10} %`) : styled('dim', ROLES[role]),
        tellAgents(agents.get(address), hop.agents[0]?.agents ?? 0),
      ];
    });
    for (const known of hop.agents)
      if (!listed.has(known.address))
        rows.push([`  ${known.address}`, known.tag ?? 'base', styled('dim', 'not in the registry'), tellAgents(known, known.agents)]);
    const all = [['  INSTANCE', 'TAG', '', 'AGENTS'], ...rows].map((row) => (hop.agents.length === 0 ? row.slice(0, -1) : row));
    if (rows.length > 0) lines.push(table(all));
  }
  return lines.join('\n');
}

/** What agents know of an instance: from where, how long ago, and how many contradict the registry. */
function tellAgents(known: AgentsInstance | undefined, agents: number): string {
  if (agents === 0) return '';
  if (known === undefined) return styled('yellow', `known to none of ${agents}`);
  const { knownBy, source, listedSecondsAgo, doubt, doubtedBy, doubtedSeconds, leftAloneBy, ejectedBy, passedOverBy } = known;
  const parts = [`${SOURCES[source]} ${Math.round(listedSecondsAgo)} s ago`];
  if (knownBy < agents) parts.push(`known to ${knownBy} of ${agents}`);
  if (doubtedBy > 0) parts.push(`in use by ${doubtedBy} of ${agents} though ${doubt} for ${Math.round(doubtedSeconds ?? 0)} s`);
  if (leftAloneBy > 0) parts.push(`gets no calls from ${leftAloneBy} of ${agents}: it refused connections`);
  if (ejectedBy > 0) parts.push(`ejected by ${ejectedBy} of ${agents}: it answered server errors`);
  // So far nothing unusual; being passed over is normal, too.
  const isCalm = parts.length === 1;
  if (passedOverBy > 0) parts.push(`passed over by ${passedOverBy} of ${agents}: others of its lane are nearer`);
  return isCalm ? styled('dim', parts.join(', ')) : styled('yellow', parts.join(', '));
}

/** Whether an equal request could go elsewhere: its share was drawn at random, sticky by nothing that the request has. */
function isByChance({ entry }: Entered): boolean {
  return entry?.trials.some(({ share }) => share !== undefined && share.position === undefined && share.percent > 0 && share.percent < 100) === true;
}

function tellTrial({ outcome, failed, share }: RuleTrial): string {
  const drawn =
    share === undefined
      ? ''
      : share.position === undefined
        ? ` (${share.percent} %, at random${share.by === undefined ? '' : ': the request has no such value'})`
        : ` (${share.percent} %, sticky by ${JSON.stringify(share.by)}: ${JSON.stringify(share.value)} is at ${share.position} %)`;
  switch (outcome) {
    case 'matched':
      return styled('green', share !== undefined && share.position === undefined ? 'matched this time' : 'matched') + drawn;
    case 'lane-disabled':
      return styled('dim', 'skipped: the lane is disabled');
    case 'not-reached':
      return styled('dim', 'skipped: an earlier rule matched');
    case 'outside-percentage':
      return styled('yellow', share !== undefined && share.position === undefined ? 'not in its share this time' : 'not in its share') + drawn;
    case 'no-match':
      return (failed ?? [])
        .map(
          ({ matcher, actual }) =>
            `no match, ${JSON.stringify(matcher)}: ${actual === undefined ? 'there is none' : `it is ${JSON.stringify(actual)}`}`,
        )
        .join('; ');
  }
}

const REASONS: Readonly<Record<Reason, (hop: HopExplanation) => string>> = {
  base: () => 'base serves because the request has no tag',
  'in-lane': ({ tag }) => `the lane serves because it has instances tagged ${tag}`,
  'fell-back-to-base': ({ tag }) => `base serves because no instance tagged ${tag} can, and the fallback is base`,
  'lane-not-here': ({ tag }) => `base serves because no lane group has an enabled lane of tag ${tag} with this service`,
  none: ({ tag, fallback }) =>
    tag === undefined
      ? 'nothing serves because no base instance can'
      : `nothing serves because no instance tagged ${tag} can${fallback === 'none' ? ', and the fallback is none' : ', and no base instance either'}`,
};

const ROLES: Readonly<Record<InstanceRole, string>> = {
  serves: 'serves',
  unhealthy: 'unhealthy',
  disabled: 'disabled in Nacos',
  'no-weight': 'has weight 0',
  'base-not-used': 'base, not used',
  'lane-not-here': 'of a lane that is not enabled here',
  'other-lane': 'of another lane',
};

const SOURCES: Readonly<Record<AgentsInstance['source'], string>> = {
  registry: 'listed by the registry',
  sdk: 'listed by the app’s own client',
  snapshot: 'from a snapshot',
};

/** Placeholder if only a path is given; no real host has this name (RFC 6761). */
const NO_HOST = 'lane.invalid';

function parseUrl(text: string): URL {
  const base = `http://${NO_HOST}`;
  // Without a scheme, www.example.com/a is a host and a path.
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) || text.startsWith('/') ? text : `http://${text}`;
  if (!URL.canParse(full, base)) throw new InvalidArgumentError('Must be a URL such as http://www.example.com/a, or a path such as /a.');
  return new URL(full, base);
}

function parseTag(text: string): Tag {
  if (!isTag(text)) throw new InvalidArgumentError(`Must be ${TAG_RULE}.`);
  return text;
}

function parseServices(text: string): string[] {
  return text.split(/[\s,]+/).filter((name) => name !== '');
}

function collectPair(text: string, before: Pair[] = []): Pair[] {
  const match = /^([^=:]+)\s*[=:]\s*(.*)$/s.exec(text);
  if (match === null) throw new InvalidArgumentError('Must be NAME=VALUE.');
  return [...before, [(match[1] as string).trim(), match[2] as string]];
}
