import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import {
  groupNamed,
  laneNamed,
  withLane,
  withLaneEnabled,
  withoutLane,
  type EntryRule,
  type Lane,
  type LaneGroup,
  type LaneGroupsDocument,
  type Matcher,
  type RequestKey,
} from '@lane/core/rules';
import { isTag, TAG_RULE, type Fallback } from '@lane/core/model';
import { LaneGroupsStore } from '@lane/storage';
import { authorOf, withAuthor, withAuthorOrBy, type AuthorArguments } from '../author.js';
import { CliError } from '../cli-error.js';
import { tellChange } from '../changed.js';
import { EXIT } from '../exit-codes.js';
import { parseLaneName, type LaneName } from '../lane-name.js';
import { withNacos, withNacosOptions, type NacosArguments } from '../nacos-options.js';

const NAME = (): Argument => new Argument('<group/lane>', 'the lane, such as shop/gray').argParser(parseLaneName);

const STICKY_HELP =
  'key that the share sticks to: header:NAME, cookie:NAME, query:NAME, clientIp or random; default: the key of the group’s other shares';

function changing(name: string, description: string): Command {
  return withAuthorOrBy(withNacosOptions(new Command(name)))
    .description(description)
    .addArgument(NAME())
    .option('--json', 'as JSON');
}

/** `lane create`. */
export function createCommand(): Command {
  return changing('create', 'create a lane in a lane group')
    .option('--tag <tag>', 'tag of the lane’s instances and requests; default: the name of the lane', parseTag)
    .addOption(new Option('--fallback <to>', 'what serves calls to a service in which the lane has no instance').choices(['base', 'none']))
    .option('--host <name>', 'requests to this host enter the lane', collect)
    .option('--header <name=value>', 'requests with this header enter the lane', collectPair)
    .option('--cookie <name=value>', 'requests with this cookie enter the lane', collectPair)
    .option('--percent <n>', 'percentage of requests that enters the lane; with --host, --header or --cookie, of those that match', parsePercent)
    .option('--sticky <key>', STICKY_HELP, parseSticky)
    .option('--rule <json>', 'an entry rule in JSON, such as {"name":"staff","match":{"header":"x-user","in":["alice"]}}', collect)
    .option('--disabled', 'create the lane switched off')
    .action(create);
}

/** `lane set`. */
export function setCommand(): Command {
  return withAuthor(withNacosOptions(new Command('set')))
    .description('change the percentage of requests that enters a lane, or its fallback')
    .addArgument(NAME())
    .option('--percent <n>', 'percentage of all requests that enters the lane; what it sticks to stays', parsePercent)
    .option('--by <key>', STICKY_HELP, parseSticky)
    .addOption(new Option('--fallback <to>', 'what serves calls to a service in which the lane has no instance').choices(['base', 'none']))
    .option('--json', 'as JSON')
    .action(set);
}

/** `lane enable`. */
export function enableCommand(): Command {
  return changing('enable', 'switch a lane on').action((name: LaneName, given: Given) => switchTo(name, true, given));
}

/** `lane disable`. */
export function disableCommand(): Command {
  return changing('disable', 'switch a lane off: its tag counts as none').action((name: LaneName, given: Given) => switchTo(name, false, given));
}

/** `lane delete`. */
export function deleteCommand(): Command {
  return changing('delete', 'delete a lane from its group').action(async (name: LaneName, given: Given) => {
    await change(given, (document) => withoutLane(document, name.group, name.lane), `deleted lane ${name.group}/${name.lane}`);
  });
}

interface Given extends NacosArguments, AuthorArguments {
  json?: boolean;
}

interface CreateGiven extends Given {
  tag?: string;
  fallback?: Fallback;
  host?: string[];
  header?: Pair[];
  cookie?: Pair[];
  percent?: number;
  sticky?: Stickiness;
  rule?: string[];
  disabled?: boolean;
}

/** What a share sticks to; `random`: nothing. */
type Stickiness = RequestKey | 'random';

type Pair = readonly [name: string, value: string];

async function create(name: LaneName, given: CreateGiven): Promise<void> {
  const lane: Lane = {
    name: name.lane,
    tag: given.tag ?? tagFrom(name.lane),
    enabled: given.disabled !== true,
    ...(given.fallback === undefined ? {} : { fallback: given.fallback }),
  };
  const ownRules = (given.rule ?? []).map(parseRule);
  if (given.sticky !== undefined && given.percent === undefined)
    throw new CliError('--sticky says what --percent sticks to: give both', 'ELANE_USAGE', EXIT.usage);
  const edit = (document: LaneGroupsDocument): LaneGroupsDocument => {
    const group = groupNamed(document, name.group);
    if (group.lanes.some((other) => other.name === lane.name)) {
      throw new CliError(
        `lane ${name.group}/${name.lane} already exists: change it with lane group apply, or delete it first with lane delete`,
        'ELANE_EXISTS',
      );
    }
    return withLane(document, name.group, { ...lane, rules: [...simpleRules(given, keyOf(given.sticky, group)), ...ownRules] });
  };
  const isOn = given.disabled === true ? ', switched off' : '';
  await change(given, edit, `created lane ${name.group}/${name.lane} with tag ${lane.tag}${isOn}`);
}

interface SetGiven extends NacosArguments {
  percent?: number;
  by?: Stickiness;
  fallback?: Fallback;
  author?: string;
  json?: boolean;
}

async function set(name: LaneName, { percent, by, fallback, author, ...given }: SetGiven): Promise<void> {
  if (percent === undefined && by === undefined && fallback === undefined)
    throw new CliError('nothing to set: give --percent, --by or --fallback', 'ELANE_USAGE', EXIT.usage);
  let share: EntryRule | undefined;
  const edit = (document: LaneGroupsDocument): LaneGroupsDocument => {
    const lane = laneNamed(document, name.group, name.lane);
    const rules = percent === undefined && by === undefined ? (lane.rules ?? []) : withShare(lane, percent, by, groupNamed(document, name.group));
    share = rules.find(isShare);
    return withLane(document, name.group, { ...lane, ...(fallback === undefined ? {} : { fallback }), rules });
  };
  const result = await withNacos(given, (connection) => new LaneGroupsStore(connection).change(edit, { by: authorOf({ author }) }));
  const key =
    share?.by === undefined
      ? ', at random'
      : `, sticky by ${Object.entries(share.by).map(([kind, value]) => (value === true ? kind : `${kind} ${value}`))[0]}`;
  const parts = [
    ...(share === undefined ? [] : [`${share.percent} % of requests${key}`]),
    ...(fallback === undefined ? [] : [`fallback ${fallback}`]),
  ];
  tellChange(result, `set lane ${name.group}/${name.lane}: ${parts.join(', ')}`, given.json);
  if (given.json !== true && share !== undefined && share.by === undefined && isDrawn(share))
    console.error('warning: each request is drawn at random, so a user may switch lanes between requests: add --by, such as --by cookie:uid');
}

const isShare = ({ match, percent }: EntryRule): boolean => match === undefined && percent !== undefined;
const isDrawn = ({ percent = 100 }: EntryRule): boolean => percent > 0 && percent < 100;

/** The lane's rules with its share of all requests changed or added. It keeps its sticky key unless another is given. */
function withShare({ name, rules = [] }: Lane, percent: number | undefined, sticky: Stickiness | undefined, group: LaneGroup): readonly EntryRule[] {
  const before = rules.find(isShare);
  if (before === undefined) {
    if (percent === undefined) throw new CliError(`lane ${name} has no share of all requests: give --percent, too`, 'ELANE_USAGE', EXIT.usage);
    const by = keyOf(sticky, group);
    return [...rules, { name: 'by-percentage', percent, ...(by === undefined ? {} : { by }) }];
  }
  const { by: keyBefore, ...rest } = before;
  const by = sticky === 'random' ? undefined : (sticky ?? keyBefore);
  const after: EntryRule = { ...rest, ...(percent === undefined ? {} : { percent }), ...(by === undefined ? {} : { by }) };
  return rules.map((rule) => (rule === before ? after : rule));
}

/** The given sticky key, else that of the group's other shares, so that all its lanes identify a user by the same key. */
function keyOf(sticky: Stickiness | undefined, { lanes }: LaneGroup): RequestKey | undefined {
  if (sticky !== undefined) return sticky === 'random' ? undefined : sticky;
  return lanes.flatMap(({ rules = [] }) => rules).find(({ percent, by }) => percent !== undefined && by !== undefined)?.by;
}

function tagFrom(lane: string): string {
  const refusal = `the name ${lane} can't be a tag (${TAG_RULE}): give one with --tag`;
  if (isTag(lane)) return lane;
  throw new CliError(refusal, 'ELANE_USAGE', EXIT.usage);
}

/** One rule for all hosts, and one for each header and cookie. A share applies to each of them, or is its own rule if there are none. */
function simpleRules({ host, header, cookie, percent }: CreateGiven, by: RequestKey | undefined): EntryRule[] {
  const share = percent === undefined ? {} : { percent, ...(by === undefined ? {} : { by }) };
  const rules: EntryRule[] = [];
  const add = (ruleName: string, match: Matcher): void => void rules.push({ name: ruleName, match, ...share });
  if (host !== undefined) add('by-host', { host: host.length === 1 ? { exact: host[0] as string } : { in: host } });
  for (const [key, value] of header ?? []) add(`by-header-${key}`, { header: key, exact: value });
  for (const [key, value] of cookie ?? []) add(`by-cookie-${key}`, { cookie: key, exact: value });
  if (rules.length === 0 && percent !== undefined) rules.push({ name: 'by-percentage', ...share });
  return rules;
}

async function switchTo(name: LaneName, enabled: boolean, given: Given): Promise<void> {
  const word = enabled ? 'enabled' : 'disabled';
  await change(given, (document) => withLaneEnabled(document, name.group, name.lane, enabled), `${word} lane ${name.group}/${name.lane}`);
}

async function change(given: Given, edit: (document: LaneGroupsDocument) => LaneGroupsDocument, done: string): Promise<void> {
  const result = await withNacos(given, (connection) => new LaneGroupsStore(connection).change(edit, { by: authorOf(given) }));
  tellChange(result, done, given.json);
}

function parseTag(text: string): string {
  if (!isTag(text)) throw new InvalidArgumentError(`Must be ${TAG_RULE}.`);
  return text;
}

function parsePercent(text: string): number {
  const percent = Number(text.replace(/%$/, ''));
  if (text.trim() === '' || !(percent >= 0 && percent <= 100)) throw new InvalidArgumentError('Must be a number from 0 to 100, in steps of 0.01.');
  return percent;
}

function parseSticky(text: string): Stickiness {
  if (text === 'random') return text;
  if (text === 'clientIp') return { clientIp: true };
  const match = /^(header|cookie|query):(.+)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('Must be header:NAME, cookie:NAME, query:NAME, clientIp or random.');
  return { [match[1] as 'header']: match[2] as string };
}

function collect(text: string, before: string[] = []): string[] {
  return [...before, text];
}

function collectPair(text: string, before: Pair[] = []): Pair[] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('Must be NAME=VALUE.');
  return [...before, [text.slice(0, equals), text.slice(equals + 1)]];
}

/** Only parses: the check of the whole document validates it. */
function parseRule(text: string): EntryRule {
  try {
    return JSON.parse(text) as EntryRule;
  } catch (error) {
    throw new CliError(`--rule is not JSON (${(error as Error).message}): ${text}`, 'ELANE_USAGE', EXIT.usage);
  }
}
