/** The app in the registry, and in the lane groups. */
import { networkInterfaces } from 'node:os';
import {
  compileLaneGroups,
  NO_LANE_GROUPS,
  parseLaneGroups,
  takingRules,
  tellTaking,
  type LaneGroupsDocument,
  type LaneRules,
} from '@lane/core/rules';
import { isUsable, laneStatus, listedFormats, nearest, surveyServices, tablesOf, instanceTagReader, type SurveyedService } from '@lane/core/model';
import { readFileSync } from 'node:fs';
import { LaneGroupsStore } from '@lane/storage';
import type { NacosConnection, NacosInstance } from '@lane/nacos-registry';
import { counted } from '../output.js';
import type { Findings } from './finding.js';
import { pathOf, type Examined } from './subject.js';

/** What the checks of lanes go by. */
export interface LaneCheck {
  readonly examined: Examined;
  readonly service: string | undefined;
  /** Nacos's grouping of services. */
  readonly group: string;
  readonly connection: NacosConnection;
}

/** Checks the service's instances, their tags, and what serves base. */
export async function checkLanes(check: LaneCheck, findings: Findings): Promise<void> {
  const { examined, service, group, connection } = check;
  const rules = await checkLaneGroups(check, findings);
  // Its instances are pods: it registers none.
  if (examined.options.registry === 'kubernetes') return;
  if (service === undefined) {
    findings.note('service', "the service's name is not known", 'give it: --service NAME, or LANE_SERVICE');
    return;
  }
  const groups = rules.document.groups.filter(({ services }) => services.includes(service));
  const survey = await surveyServices(connection, {
    group,
    formats: listedFormats(examined.options),
    services: [...new Set([service, ...groups.flatMap(({ services }) => services)])],
  });
  const own = survey.find(({ name }) => name === service);
  await checkInstances(check, service, own?.instances ?? [], findings);
  checkTag(examined, service, own?.instances ?? [], rules, findings);
  checkBase(survey, service, rules, examined, findings);
  await checkUnnamed(check, service, rules, findings);
}

/** How many services are told by name. */
const SERVICES_TOLD = 5;

/** Services that Nacos has and that no call by name can reach: their names go to DNS, and the caller gets ENOTFOUND. */
async function checkUnnamed({ connection, group, examined }: LaneCheck, service: string, rules: LaneRules, findings: Findings): Promise<void> {
  const hosts = examined.options.services.flat();
  const known = await connection.services(group).catch(() => []);
  // Names of Dubbo's are no hosts.
  const unnamed = known.filter((name) => name !== service && !rules.services.has(name) && !hosts.includes(name) && /^[\w.-]+$/.test(name));
  if (unnamed.length === 0) return;
  const shown = unnamed.slice(0, SERVICES_TOLD).join(', ');
  findings.note(
    'service',
    `Nacos has ${shown}${unnamed.length > SERVICES_TOLD ? ` and ${unnamed.length - SERVICES_TOLD} more` : ''}, which no lane group and no LANE_SERVICES name: a call by name goes to DNS, and may end with ENOTFOUND`,
    `where the app calls one by its name: LANE_SERVICES=${unnamed[0]}, or add it to a lane group`,
  );
}

/** Reads the lane groups from where the agent does, and says what is wrong with them. Without a connection: not those in Nacos. */
export async function checkLaneGroups(
  { examined, connection, service }: Pick<LaneCheck, 'examined' | 'service'> & { readonly connection: NacosConnection | undefined },
  findings: Findings,
): Promise<LaneRules> {
  const { rules } = examined.options;
  const { document, origin } = await readDocument(examined, connection, findings);
  const compiled = compileLaneGroups(document);
  if (rules === 'none') {
    findings.note('lane-groups', 'LANE_RULES=none: the agent goes by tags alone');
    return compiled;
  }
  if (document.groups.length === 0) {
    findings.note(
      'lane-groups',
      `there are no lane groups in ${origin}: instances are chosen by tag, and no request gets one by rules`,
      'lane group apply makes some, and so does the console',
    );
    return compiled;
  }
  for (const taking of takingRules(document)) {
    findings.warning('lane-groups', tellTaking(taking), 'lane group show, then lane group apply FILE with the lanes in that order');
  }
  const names = document.groups.map(({ name }) => name);
  const own = document.groups.filter(({ services }) => service !== undefined && services.includes(service)).map(({ name }) => name);
  if (service === undefined) findings.ok('lane-groups', `${origin} has ${counted(names.length, 'lane group')}: ${names.join(', ')}`);
  else if (own.length > 0) findings.ok('lane-groups', `service ${service} is in ${counted(own.length, 'lane group')}: ${own.join(', ')}`);
  else {
    const meant = nearest(service, [...compiled.services]);
    findings.error(
      'lane-groups',
      `service ${service} is in none of the lane groups (${names.join(', ')}): tagged calls to it go to base`,
      meant === undefined
        ? `add it: lane group apply, or the console; --service NAME, if it registers under another name`
        : `did you mean ${meant}? Set LANE_SERVICE, or correct the lane group`,
    );
  }
  return compiled;
}

async function readDocument(
  examined: Examined,
  connection: NacosConnection | undefined,
  findings: Findings,
): Promise<{ readonly document: LaneGroupsDocument; readonly origin: string }> {
  const { rules } = examined.options;
  if (rules === 'none') return { document: NO_LANE_GROUPS, origin: 'nowhere' };
  const origin = rules === 'nacos' ? 'Nacos' : rules.file;
  if (rules === 'nacos') {
    if (connection === undefined) return { document: NO_LANE_GROUPS, origin: 'Nacos, which is not named' };
    const { document, problems } = await new LaneGroupsStore(connection).read();
    tellProblems(problems, origin, findings);
    return { document, origin };
  }
  let text: string;
  try {
    text = readFileSync(pathOf(examined, rules.file), 'utf8');
  } catch (error) {
    findings.error('lane-groups', `LANE_RULES=file:${rules.file} can't be read (${(error as NodeJS.ErrnoException).code})`, 'correct the path');
    return { document: NO_LANE_GROUPS, origin };
  }
  const parsed = parseLaneGroups(text);
  if (parsed.ok) return { document: parsed.document, origin };
  tellProblems(parsed.problems, origin, findings);
  return { document: NO_LANE_GROUPS, origin };
}

function tellProblems(problems: ReadonlyArray<{ readonly path: string; readonly message: string }>, origin: string, findings: Findings): void {
  for (const { path, message } of problems) {
    findings.error(
      'lane-groups',
      `the lane groups in ${origin} are not valid, and agents go by the last good ones: ${path === '' ? '' : `${path}: `}${message}`,
      'lane group apply FILE with a corrected one, or a rollback in the console',
    );
  }
}

/** Instances of the service: are there any, and is the app among them? */
async function checkInstances(check: LaneCheck, service: string, instances: readonly NacosInstance[], findings: Findings): Promise<void> {
  const { connection, group, examined } = check;
  const { namespace } = connection;
  if (instances.length > 0) {
    const usable = instances.filter(isUsable).length;
    findings.ok(
      'service',
      `service ${service} has ${counted(instances.length, 'instance')} in group ${group} of namespace ${namespace}, ${usable} usable`,
    );
    const own = ownInstances(examined, instances);
    for (const one of own.filter((instance) => !isUsable(instance))) {
      findings.warning(
        'service',
        `this instance, ${addressOf(one)}, takes no traffic: it is ${one.healthy ? (one.enabled ? 'of weight 0' : 'disabled') : 'unhealthy'} in Nacos`,
        one.healthy ? 'change that in Nacos' : 'look whether its beats reach Nacos',
      );
    }
    return;
  }
  const known = await connection.services(group).catch(() => []);
  const meant = nearest(service, known);
  const message = `no instance of service ${service} is registered in group ${group} of namespace ${namespace}`;
  const remedy =
    meant !== undefined
      ? `did you mean ${meant}? Say --service ${meant}, and set LANE_SERVICE so`
      : known.length === 0
        ? 'that group has no services at all: check LANE_NACOS_NAMESPACE and LANE_NACOS_GROUP (--namespace, --nacos-group)'
        : `there are ${known.slice(0, 10).join(', ')}${known.length > 10 ? ', …' : ''}: is the app up, and does it register under another name (--service)?`;
  if (examined.status === undefined && examined.pid === undefined) findings.warning('service', message, remedy);
  else findings.error('service', message, remedy);
}

/** The tag: is it what the registry has, and does a lane have it? */
function checkTag(examined: Examined, service: string, instances: readonly NacosInstance[], rules: LaneRules, findings: Findings): void {
  const { status, options } = examined;
  const tag = status === undefined ? options.tag : (status.tag ?? undefined);
  const shown = tag ?? 'none (base)';
  const tagOf = instanceTagReader(listedFormats(options), rules.polarisLabels);
  if (status !== undefined && options.tag !== undefined && options.tag !== tag) {
    findings.warning(
      'tag',
      `the running agent has the tag ${shown}, this environment ${options.tag}`,
      'start the app anew for a change to be in force',
    );
  }
  const own = ownInstances(examined, instances);
  for (const one of own) {
    const registered = tagOf(one.metadata);
    if (registered === tag) findings.ok('tag', `the tag is ${shown}, and so it is in the metadata of ${addressOf(one)}`);
    else {
      findings.error(
        'tag',
        `the tag is ${shown}, but Nacos has ${registered ?? 'none (base)'} for ${addressOf(one)}`,
        "is the agent loaded before the app's Nacos client (NODE_OPTIONS, not an import in the app), and did nobody change the metadata in Nacos? Start the app anew",
      );
    }
  }
  if (own.length === 0 && instances.length > 0) {
    const count = instances.filter((one) => tagOf(one.metadata) === tag).length;
    if (count > 0) findings.ok('tag', `the tag is ${shown}, as that of ${counted(count, 'instance')} of ${service} in Nacos`);
    else {
      const carried = [...new Set(instances.map((one) => tagOf(one.metadata) ?? 'none (base)'))];
      findings.warning(
        'tag',
        `the tag is ${shown}, but no instance of ${service} in Nacos carries it: there are ${carried.join(', ')}`,
        'is the app up, and was the agent loaded before its Nacos client?',
      );
    }
  }
  if (tag === undefined || rules.document.groups.length === 0) return;
  if (rules.isDisabledTag(tag)) {
    findings.warning(
      'tag',
      `all lanes of tag ${tag} are disabled: it counts as none`,
      `lane enable ${rules.groupOf(tag) ?? 'GROUP'}/LANE switches one on`,
    );
  } else if (rules.laneOf(service, tag) === undefined && rules.services.has(service)) {
    const tags = rules.document.groups.filter(({ services }) => services.includes(service)).flatMap(({ lanes }) => lanes.map((lane) => lane.tag));
    const meant = nearest(tag, tags);
    findings.error(
      'tag',
      `no lane of ${service}'s groups has the tag ${tag}: no request gets to this instance`,
      meant === undefined
        ? `lane create GROUP/LANE --tag ${tag}${tags.length === 0 ? '' : `, or one of ${tags.join(', ')}`}`
        : `did you mean ${meant}?`,
    );
  }
}

/** Base must be there: it serves whoever has no tag, and falls in for lanes. */
function checkBase(survey: readonly SurveyedService[], service: string, rules: LaneRules, { options }: Examined, findings: Findings): void {
  const formats = listedFormats(options);
  const tagOf = instanceTagReader(formats, rules.polarisLabels);
  const tableOf = tablesOf(survey, rules, { formats, fallback: options.fallback, baseMode: options.baseMode });
  const services = laneStatus(rules, tableOf).flatMap((group) => group.services);
  const counts = new Map(services.map((one) => [one.service, one.base]));
  if (!counts.has(service)) {
    const instances = survey.find(({ name }) => name === service)?.instances ?? [];
    const base = instances.filter(({ metadata }) => tagOf(metadata) === undefined);
    counts.set(service, { usable: base.filter(isUsable).length, total: base.length });
  }
  const surveyed = new Set(survey.map(({ name }) => name));
  // That there is no instance of the service at all has been said.
  const isSaid = (name: string): boolean => name === service && survey.find((one) => one.name === name)?.instances.length === 0;
  const empty = [...counts].filter(([name, { usable }]) => surveyed.has(name) && usable === 0 && !isSaid(name));
  for (const [name, { total }] of empty) {
    findings.error(
      'base',
      `${name} has no usable base instance${total === 0 ? '' : ` (of ${total})`}: requests without a tag, and those of lanes without an instance of it, fail there`,
      total === 0 ? `start ${name} without a tag, too` : 'look at their health in Nacos',
    );
  }
  if (empty.length === 0 && ![...surveyed].some(isSaid)) findings.ok('base', `${[...surveyed].join(', ')}: base can serve`);
}

/** Instances that are the examined app itself. */
function ownInstances({ status, listens, pid }: Examined, instances: readonly NacosInstance[]): readonly NacosInstance[] {
  if (status !== undefined) {
    const addresses = new Set(status.registrations.map(({ address }) => address));
    return instances.filter((one) => addresses.has(addressOf(one)));
  }
  if (pid === undefined) return [];
  const local = new Set(Object.values(networkInterfaces()).flatMap((addresses = []) => addresses.map(({ address }) => address)));
  const ports = new Set(listens.map(({ port }) => port));
  return instances.filter(({ ip, port }) => ports.has(port) && local.has(ip));
}

function addressOf({ ip, port }: NacosInstance): string {
  return `${ip}:${port}`;
}
