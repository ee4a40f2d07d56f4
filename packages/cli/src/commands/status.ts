import { Command } from 'commander';
import { laneStatus, surveyServices, tablesOf, type GroupStatus, type LaneCell, type LaneHead, type SurveyedService } from '@lane/core/model';
import type { AgentsDoubts } from '@lane/console/agents';
import type { LaneRules } from '@lane/core/rules';
import { formatsOption, type FormatsArguments } from '../formats-option.js';
import { printJson, styled, table } from '../output.js';
import { readRules, withRegistry, withRegistryOptions, type Opened, type RegistryArguments } from '../registry-options.js';
import { untilAskedToStop } from '../terminal.js';

/** `lane status`. */
export function statusCommand(): Command {
  return withRegistryOptions(new Command('status'))
    .description('show services × lanes: how many instances can serve, and which services fall back')
    .argument('[group]', 'show only this lane group')
    .option('--rules <file>', 'read lane groups from this JSON or YAML file instead of Nacos')
    .addOption(formatsOption())
    .option('--watch', 'update at each change, until Ctrl-C')
    .option('--json', 'as JSON; with --watch one line per state')
    .action(status);
}

interface Given extends RegistryArguments, FormatsArguments {
  watch?: boolean;
  json?: boolean;
}

const LOOK_AGAIN_MS = 1_000;

async function status(group: string | undefined, given: Given, command: Command): Promise<void> {
  await withRegistry(given, command, async (opened) => {
    if (given.watch !== true) {
      const state = await look(opened, group, given);
      if (given.json === true) printJson(state);
      else console.log(tell(state));
      return;
    }
    const asked = untilAskedToStop().then(() => true);
    for (let last = ''; ;) {
      const state = await look(opened, group, given);
      const text = given.json === true ? JSON.stringify(state) : tell(state);
      if (text !== last) {
        if (given.json !== true && last !== '') console.log('');
        if (given.json !== true) console.log(styled('dim', new Date().toISOString()));
        console.log(text);
      }
      last = text;
      if (await Promise.race([asked, pause()])) return;
    }
  });
}

/** What the command prints. */
interface State {
  readonly groups: readonly GroupStatus[];
  /** Instances that agents use although the registry would take them away, and those that agents leave alone or have ejected. */
  readonly doubts: readonly AgentsDoubts[];
}

async function look(opened: Opened, group: string | undefined, given: Given): Promise<State> {
  const { rules, tableOf, survey } = await readAll(opened, given);
  const groups = laneStatus(rules, tableOf);
  const { askAgents, doubtsOf, isLoopbackServer } = await import('@lane/console/agents');
  const doubts = doubtsOf(await askAgents(survey, isLoopbackServer(opened.registry.state?.server ?? '')));
  if (group === undefined) return { groups, doubts };
  const { groupNamed } = await import('@lane/core/rules');
  const services = new Set(groupNamed(rules.document, group).services);
  return { groups: groups.filter((each) => each.group === group), doubts: doubts.filter(({ service }) => services.has(service)) };
}

/** The lane groups, and what the registry knows of their services. */
export async function readAll(
  opened: Opened,
  given: RegistryArguments & FormatsArguments,
): Promise<{ readonly rules: LaneRules; readonly tableOf: ReturnType<typeof tablesOf>; readonly survey: readonly SurveyedService[] }> {
  const rules = await readRules(opened, given);
  const { formats } = given;
  const survey = await surveyServices(opened.registry, { group: opened.group, services: [...rules.services] });
  return { rules, survey, tableOf: tablesOf(survey, rules, { formats }) };
}

function tell({ groups, doubts }: State): string {
  const told = groups.length === 0 ? 'there are no lane groups: create one with lane group create or apply' : tellGroups(groups);
  return doubts.length === 0 ? told : `${told}\n\n${doubts.map(tellDoubts).join('\n')}`;
}

function tellDoubts({ service, agents, doubting, doubted, of, seconds, leftAlone, ejected }: AgentsDoubts): string {
  const parts = [
    ...(doubting > 0
      ? [`the registry dropped ${doubted} of ${of} instances ${seconds} s ago and may have lost them: ${doubting} of ${agents} agents still use them`]
      : []),
    ...(leftAlone > 0 ? [`${leftAlone} refused connections and get no calls for a while`] : []),
    ...(ejected > 0 ? [`${ejected} answered server errors and are ejected for a while`] : []),
  ];
  return `${styled('yellow', service)}: ${parts.join('; ')}`;
}

function tellGroups(groups: readonly GroupStatus[]): string {
  return groups
    .map(({ group, entries, lanes, services }) => {
      const heads = lanes.map((lane) => `${lane.lane}${lane.enabled ? '' : ' (disabled)'}`);
      const rows = services.map(({ service, base, lanes: cells, otherTags }) => [
        `${service}${entries.includes(service) ? ' *' : ''}`,
        base.total === 0 ? styled('red', 'none') : countOf(base),
        ...cells.map((cell, i) => tellCell(cell, lanes[i] as LaneHead)),
        otherTags.map((other) => `${other.tag}: ${countOf(other)}`).join(', '),
      ]);
      const others = services.some(({ otherTags }) => otherTags.length > 0);
      const all = [['SERVICE', 'BASE', ...heads, 'OTHER TAGS'], ...rows].map((row) => (others ? row : row.slice(0, -1)));
      const isMarked = services.some(({ service }) => entries.includes(service));
      const note = entries.length === 0 ? 'no entry' : `entry${isMarked ? ' (*)' : ''}: ${entries.join(', ')}`;
      return `${styled('bold', group)}  ${styled('dim', note)}\n${table(all)}`;
    })
    .join('\n\n');
}

function tellCell(cell: LaneCell, { enabled }: LaneHead): string {
  const count = countOf(cell);
  if (!enabled) return styled('dim', `${count} off`);
  if (cell.servedBy === 'lane') return styled('green', count);
  return cell.servedBy === 'base' ? styled('yellow', `${count} → base`) : styled('red', `${count} → nothing`);
}

function countOf({ usable, total }: { readonly usable: number; readonly total: number }): string {
  return usable === total ? String(usable) : `${usable} of ${total}`;
}

function pause(): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), LOOK_AGAIN_MS).unref());
}
