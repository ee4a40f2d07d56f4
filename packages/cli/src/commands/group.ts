import { Command, InvalidArgumentError, Option } from 'commander';
import {
  groupNamed,
  laneGroupsToJson,
  NO_LANE_GROUPS,
  parseLaneGroups,
  withGroup,
  withoutGroup,
  type LaneGroup,
  type LaneGroupsDocument,
} from '@lane/core/rules';
import { InvalidLaneGroupsError, LaneGroupsStore } from '@lane/storage';
import { parseCount } from '../arguments.js';
import { authorOf, withAuthorOrBy, type AuthorArguments } from '../author.js';
import { tellChange } from '../changed.js';
import { CliError } from '../cli-error.js';
import { withNacos, withNacosOptions, type NacosArguments } from '../nacos-options.js';
import { counted, printJson, styled, table } from '../output.js';

/** `lane group`. */
export function groupCommand(): Command {
  const group = new Command('group').description('list, show, apply, delete and roll back lane groups');
  group.addCommand(withNacosOptions(new Command('list')).description('list the lane groups').option('--json', 'as JSON').action(list));
  group.addCommand(
    withNacosOptions(new Command('show'))
      .description('show a lane group, or the whole document, as stored')
      .argument('[group]', 'name of a group')
      .option('--json', 'as JSON, with the md5 for --if-md5')
      .action(show),
  );
  group.addCommand(
    withAuthorOrBy(withNacosOptions(new Command('apply')))
      .description('apply lane groups from a JSON or YAML file, a document or one group')
      .argument('<file>', 'the file, or - for standard input')
      .option('--dry-run', 'only show what would change')
      .option('--prune', 'delete the groups that are not in the file')
      .option('--if-md5 <md5>', 'exit with 3 unless the stored document still has this md5')
      .option('--json', 'as JSON')
      .action(apply),
  );
  group.addCommand(
    withAuthorOrBy(withNacosOptions(new Command('create')))
      .description('create a lane group without lanes; lane create adds them')
      .argument('<group>', 'name of the group')
      .requiredOption('--services <names>', 'its services, a comma-separated list', parseNames)
      .option('--entry <names>', 'services or gateways that apply its entry rules, a comma-separated list', parseNames)
      .option('--json', 'as JSON')
      .action(create),
  );
  group.addCommand(
    withAuthorOrBy(withNacosOptions(new Command('delete')))
      .description('delete a lane group with its lanes')
      .argument('<group>', 'name of the group')
      .option('--json', 'as JSON')
      .action(remove),
  );
  group.addCommand(
    withNacosOptions(new Command('history'))
      .description('list the versions of the lane groups in Nacos’s history, or show one')
      .argument('[version]', 'id of a version')
      .option('--limit <n>', 'versions per page', parseCount, 20)
      .option('--page <n>', 'which page', parseCount, 1)
      .option('--json', 'as JSON')
      .action(history),
  );
  group.addCommand(
    withAuthorOrBy(withNacosOptions(new Command('rollback')))
      .description('restore an earlier version of all lane groups')
      .argument('<version>', 'id of the version')
      .addOption(new Option('--dry-run', 'only show what would change'))
      .option('--if-md5 <md5>', 'exit with 3 unless the stored document still has this md5')
      .option('--json', 'as JSON')
      .action(rollback),
  );
  return group;
}

interface Given extends NacosArguments {
  json?: boolean;
}
interface ChangeGiven extends Given, AuthorArguments {
  ifMd5?: string;
  dryRun?: boolean;
}

async function list(given: Given): Promise<void> {
  const { document, md5, problems } = await withNacos(given, (connection) => new LaneGroupsStore(connection).read());
  if (problems.length > 0) throw new InvalidLaneGroupsError(problems, 'the stored lane groups are invalid');
  if (given.json === true) printJson({ md5: md5 ?? null, groups: document.groups });
  else if (document.groups.length === 0) console.log('there are no lane groups: create one with lane group create or apply');
  else {
    const rows = document.groups.map(({ name, services, entry, lanes }) => [
      name,
      services.join(', '),
      entry?.services.join(', ') ?? '-',
      lanes.map((lane) => (lane.enabled === false ? `${lane.name} (disabled)` : lane.name)).join(', ') || '-',
    ]);
    console.log(table([['GROUP', 'SERVICES', 'ENTRY', 'LANES'], ...rows]));
  }
}

async function show(name: string | undefined, given: Given): Promise<void> {
  const { document, text, md5, problems } = await withNacos(given, (connection) => new LaneGroupsStore(connection).read());
  if (problems.length > 0 && name !== undefined) throw new InvalidLaneGroupsError(problems, 'the stored lane groups are invalid');
  if (name === undefined) {
    if (given.json === true) printJson({ md5: md5 ?? null, problems, document: problems.length > 0 ? null : document, text });
    else console.log((problems.length > 0 ? text : laneGroupsToJson(document)).trimEnd());
    return;
  }
  const group = groupNamed(document, name);
  if (given.json === true) printJson({ md5: md5 ?? null, group });
  else console.log(groupToJson(group));
}

/** A group as `lane group apply` takes it, its fields in the usual order. */
function groupToJson(group: LaneGroup): string {
  const { groups } = JSON.parse(laneGroupsToJson({ version: 1, groups: [group] })) as LaneGroupsDocument;
  return JSON.stringify(groups[0], null, 2);
}

async function apply(file: string, given: ChangeGiven & { prune?: boolean }): Promise<void> {
  const { readLaneGroupsFile } = await import('../lane-groups-file.js');
  const wanted = await readLaneGroupsFile(file);
  const edit = (document: LaneGroupsDocument): LaneGroupsDocument =>
    wanted.groups.reduce(withGroup, given.prune === true ? { ...document, groups: document.groups.filter(isWanted) } : document);
  const isWanted = ({ name }: LaneGroup): boolean => wanted.groups.some((group) => group.name === name);
  await withNacos(given, async (connection) => {
    const store = new LaneGroupsStore(connection);
    if (given.dryRun === true) {
      const { document, md5 } = await store.read();
      await tellDifference(document, edit(document), md5, given.json);
      return;
    }
    const result = await store.change(edit, { casMd5: given.ifMd5, by: authorOf(given) });
    tellChange(result, `in force: ${wanted.groups.map(({ name }) => name).join(', ') || 'no groups'}`, given.json);
  });
}

async function create(name: string, given: ChangeGiven & { services: string[]; entry?: string[] }): Promise<void> {
  const { services, entry } = given;
  const edit = (document: LaneGroupsDocument): LaneGroupsDocument => {
    if (document.groups.some((group) => group.name === name))
      throw new CliError(`lane group ${name} already exists: change it with lane group apply`, 'ELANE_EXISTS');
    return withGroup(document, { name, services, ...(entry === undefined ? {} : { entry: { services: entry } }), lanes: [] });
  };
  const result = await withNacos(given, (connection) => new LaneGroupsStore(connection).change(edit, { by: authorOf(given) }));
  tellChange(result, `created lane group ${name} of ${services.join(', ')}`, given.json);
  if (given.json !== true && entry === undefined)
    console.error('note: without --entry, rules of its lanes never apply: requests need a tag, or a gateway route that sets one');
}

function parseNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new InvalidArgumentError('Must be a comma-separated list of names.');
  return names;
}

async function remove(name: string, given: ChangeGiven): Promise<void> {
  const result = await withNacos(given, (connection) =>
    new LaneGroupsStore(connection).change((document) => withoutGroup(document, name), { by: authorOf(given) }),
  );
  tellChange(result, `deleted lane group ${name}`, given.json);
}

async function history(id: string | undefined, given: Given & { limit: number; page: number }): Promise<void> {
  await withNacos(given, async (connection) => {
    const store = new LaneGroupsStore(connection);
    if (id !== undefined) {
      const version = await store.version(id);
      if (given.json === true) printJson(version);
      else console.log(version.text === undefined ? `version ${id} removed the document` : version.text.trimEnd());
      return;
    }
    const { total, versions } = await store.history(given);
    if (given.json === true) printJson({ total, versions });
    else if (versions.length === 0) console.log('Nacos has no history of the lane groups');
    else {
      const rows = versions.map((version) => [
        version.id,
        version.at ?? '-',
        version.kind,
        version.by ?? '-',
        version.from ?? '-',
        version.isCurrent ? styled('green', 'in force') : '',
      ]);
      console.log(table([['VERSION', 'AT', 'WHAT', 'BY', 'FROM', ''], ...rows]));
      if (total > versions.length) console.log(`${counted(total, 'version')} in all: --page and --limit show others`);
    }
  });
}

async function rollback(id: string, given: ChangeGiven): Promise<void> {
  await withNacos(given, async (connection) => {
    const store = new LaneGroupsStore(connection);
    if (given.dryRun === true) {
      const [{ document, md5 }, { text }] = await Promise.all([store.read(), store.version(id)]);
      const parsed = parseLaneGroups(text ?? JSON.stringify(NO_LANE_GROUPS));
      if (!parsed.ok) throw new InvalidLaneGroupsError(parsed.problems, `version ${id} is not valid`);
      await tellDifference(document, parsed.document, md5, given.json);
      return;
    }
    tellChange(await store.rollback(id, { casMd5: given.ifMd5, by: authorOf(given) }), `version ${id} is in force again`, given.json);
  });
}

async function tellDifference(
  before: LaneGroupsDocument,
  after: LaneGroupsDocument,
  md5: string | undefined,
  json: boolean | undefined,
): Promise<void> {
  const [old, next] = [laneGroupsToJson(before), laneGroupsToJson(after)];
  if (json === true) {
    printJson({ ok: true, changed: old !== next, md5: md5 ?? null, before, after });
    return;
  }
  if (old === next) {
    console.log('nothing would change');
    return;
  }
  const { createTwoFilesPatch } = await import('diff');
  const [, ...lines] = createTwoFilesPatch('stored', 'after', old, next, undefined, undefined, { context: 3 }).trimEnd().split('\n');
  for (const line of lines) console.log(line.startsWith('+') ? styled('green', line) : line.startsWith('-') ? styled('red', line) : line);
}
