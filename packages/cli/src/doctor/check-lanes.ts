/** Checks the app in the registry and in the lane groups. */
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
import {
  InstanceTags,
  isBaseInstance,
  isUsable,
  listedFormats,
  nearest,
  surveyServices,
  tablesOf,
  type ServiceTable,
  type SurveyedService,
} from '@lane/core/model';
import { readFileSync } from 'node:fs';
import { LaneGroupsStore } from '@lane/storage';
import type { NacosConnection, NacosInstance } from '@lane/nacos-registry';
import { counted } from '../output.js';
import type { Findings } from './finding.js';
import { pathOf, type Examined } from './subject.js';

/** The input of the checks of lanes. */
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
  // Instances are pods; the app registers nothing in Nacos.
  if (examined.options.registry === 'kubernetes') return;
  if (service === undefined) {
    findings.note('service', 'the name of the service is unknown', 'pass --service NAME, or set LANE_SERVICE');
    return;
  }
  const groups = rules.document.groups.filter(({ services }) => services.includes(service));
  const survey = await surveyServices(connection, {
    group,
    services: [...new Set([service, ...groups.flatMap(({ services }) => services)])],
  });
  const own = survey.find(({ name }) => name === service);
  await checkInstances(check, service, own?.instances ?? [], findings);
  checkTag(examined, service, own?.instances ?? [], rules, findings);
  checkBase(survey, service, rules, examined, findings);
  await checkUnnamed(check, service, rules, findings);
}

/** How many services to name. */
const SERVICES_TOLD = 5;

/** Notes services in Nacos that calls by name can't reach: DNS does not know them, so the caller gets ENOTFOUND. */
async function checkUnnamed({ connection, group, examined }: LaneCheck, service: string, rules: LaneRules, findings: Findings): Promise<void> {
  const hosts = examined.options.services.flat();
  const known = await connection.services(group).catch(() => []);
  // Dubbo's service names are not host names.
  const unnamed = known.filter((name) => name !== service && !rules.services.has(name) && !hosts.includes(name) && /^[\w.-]+$/.test(name));
  if (unnamed.length === 0) return;
  const shown = unnamed.slice(0, SERVICES_TOLD).join(', ');
  findings.note(
    'service',
    `Nacos has ${shown}${unnamed.length > SERVICES_TOLD ? ` and ${unnamed.length - SERVICES_TOLD} more` : ''}, which neither a lane group nor LANE_SERVICES names: a call by name goes to DNS, and may fail with ENOTFOUND`,
    `if the app calls one by name, set LANE_SERVICES=${unnamed[0]}, or add it to a lane group`,
  );
}

/** Reads the lane groups from the agent's source, and reports problems. Without a connection, it skips those in Nacos. */
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
      `there are no lane groups in ${origin}: instances are chosen by tag, and no entry rule tags requests`,
      'create one with lane group apply or in the console',
    );
    return compiled;
  }
  for (const taking of takingRules(document)) {
    findings.warning('lane-groups', tellTaking(taking), 'reorder the lanes: lane group show, then lane group apply FILE');
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
        ? `add it with lane group apply or in the console; pass --service NAME if it registers under another name`
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
    if (connection === undefined) return { document: NO_LANE_GROUPS, origin: 'Nacos, whose address is not given' };
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
      `the lane groups in ${origin} are invalid; agents keep the last valid ones: ${path === '' ? '' : `${path}: `}${message}`,
      'correct them with lane group apply FILE, or roll back in the console',
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
        `this instance, ${addressOf(one)}, takes no traffic: it ${one.healthy ? (one.enabled ? 'has weight 0' : 'is disabled') : 'is unhealthy'} in Nacos`,
        one.healthy ? 'change that in Nacos' : 'check that its beats reach Nacos',
      );
    }
    return;
  }
  const known = await connection.services(group).catch(() => []);
  const meant = nearest(service, known);
  const message = `no instance of service ${service} is registered in group ${group} of namespace ${namespace}`;
  const remedy =
    meant !== undefined
      ? `did you mean ${meant}? Pass --service ${meant}, and set LANE_SERVICE=${meant}`
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
  const tagOf = new InstanceTags(listedFormats(options), rules).readerOf(service);
  if (status !== undefined && options.tag !== undefined && options.tag !== tag) {
    findings.warning('tag', `the running agent has the tag ${shown}, but this environment has ${options.tag}`, 'restart the app to apply the change');
  }
  const own = ownInstances(examined, instances);
  for (const one of own) {
    const registered = tagOf(one.metadata);
    if (registered === tag) findings.ok('tag', `the tag is ${shown}, as in the metadata of ${addressOf(one)}`);
    else {
      findings.error(
        'tag',
        `the tag is ${shown}, but Nacos has ${registered ?? 'none (base)'} for ${addressOf(one)}`,
        "load the agent before the app's Nacos client (by NODE_OPTIONS, not by an import in the app), undo any change of the metadata in Nacos, and restart the app",
      );
    }
  }
  if (own.length === 0 && instances.length > 0) {
    const count = instances.filter((one) => tagOf(one.metadata) === tag).length;
    if (count > 0) findings.ok('tag', `the tag is ${shown}, carried by ${counted(count, 'instance')} of ${service} in Nacos`);
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
      `lane enable ${rules.wireOf(tag, service)?.group ?? 'GROUP'}/LANE switches one on`,
    );
  } else if (rules.laneOf(service, tag) === undefined && rules.services.has(service)) {
    const tags = rules.document.groups.filter(({ services }) => services.includes(service)).flatMap(({ lanes }) => lanes.map((lane) => lane.tag));
    const meant = nearest(tag, tags);
    findings.error(
      'tag',
      `no lane of ${service}'s groups has the tag ${tag}: no request reaches this instance`,
      meant === undefined
        ? `lane create GROUP/LANE --tag ${tag}${tags.length === 0 ? '' : `, or one of ${tags.join(', ')}`}`
        : `did you mean ${meant}?`,
    );
  }
}

/** Base must exist: it serves untagged requests, and lanes fall back to it. */
function checkBase(survey: readonly SurveyedService[], service: string, rules: LaneRules, { options }: Examined, findings: Findings): void {
  const tableOf = tablesOf(survey, rules, { formats: listedFormats(options), fallback: options.fallback, baseMode: options.baseMode });
  // Use each service's own table: what counts as base, and what a label means, differs by service.
  const counts = survey.map(({ name }) => {
    const table = tableOf(name) as ServiceTable;
    const base = table.instances.filter((instance) => isBaseInstance(instance, table.index));
    return { name, usable: base.filter(isUsable).length, total: base.length, isEmpty: table.instances.length === 0 };
  });
  // If the service has no instance at all, that was reported already.
  const said = counts.filter(({ name, isEmpty }) => name === service && isEmpty);
  const empty = counts.filter((one) => one.usable === 0 && !said.includes(one));
  for (const { name, total } of empty) {
    findings.error(
      'base',
      `${name} has no usable base instance${total === 0 ? '' : ` (of ${total})`}: untagged requests fail there, and so do those of lanes without an instance of it`,
      total === 0 ? `start ${name} without a tag, too` : 'check their health in Nacos',
    );
  }
  if (empty.length === 0 && said.length === 0) findings.ok('base', `${counts.map(({ name }) => name).join(', ')}: base can serve`);
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
