/** The page of commands in the documents is written from what `--help` has: `npm run docs -- --write`. */
import { join } from 'node:path';
import type { Command, Option } from 'commander';
import { expect, test } from 'vitest';
import { EXIT } from '../exit-codes.js';
import { COMMANDS } from './index.js';

/** Options of so many commands are told once. */
const SHARED_FROM = 4;

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
/** Text that is no Markdown, as a cell. */
const plain = (text: string): string => cell(text.replace(/[\\`*_~<]/g, '\\$&'));

/** A command and those below it, by their full names. */
function* all(command: Command, path: string): Generator<readonly [path: string, command: Command]> {
  const name = `${path} ${command.name()}`;
  yield [name, command];
  for (const each of command.commands) if (each.name() !== 'help') yield* all(each, name);
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function row(option: Option): string {
  const details = [
    ...(option.argChoices === undefined ? [] : [option.argChoices.map((choice) => `\`${choice}\``).join(', ')]),
    ...(option.defaultValue === undefined ||
    option.defaultValue === false ||
    (typeof option.defaultValue === 'object' && Object.keys(option.defaultValue as object).length === 0)
      ? []
      : [`default ${option.defaultValueDescription ?? `\`${String(option.defaultValue)}\``}`]),
    ...(option.envVar === undefined ? [] : [`variable \`${option.envVar}\``]),
  ];
  return `| \`${cell(option.flags)}\` | ${plain(option.description)}${details.length === 0 ? '' : ` (${cell(details.join('; '))})`} |`;
}

test('docs/reference/cli.md is what the help says', async () => {
  const commands = COMMANDS.flatMap((command) => [...all(command(), 'lane')]);
  const counts = new Map<string, number>();
  for (const [, { options }] of commands) {
    for (const option of options) counts.set(row(option), (counts.get(row(option)) ?? 0) + 1);
  }
  // Of one flag, what most commands mean by it.
  const shared = new Map<string, string>();
  for (const option of commands.flatMap(([, { options }]) => options.filter(({ hidden }) => !hidden))) {
    const most = counts.get(shared.get(option.flags) ?? '') ?? SHARED_FROM - 1;
    if ((counts.get(row(option)) as number) > most) shared.set(option.flags, row(option));
  }
  const isShared = (option: Option): boolean => shared.get(option.flags) === row(option);

  const sections = commands.map(([name, command]) => {
    const options = command.options.filter((option) => !option.hidden);
    const own = options.filter((option) => !isShared(option)).map(row);
    const others = options.filter(isShared).map(({ long }) => `\`${long}\``);
    const args = command.registeredArguments.map((argument) => `| \`${argument.name()}\` | ${plain(argument.description)} |`);
    const below = command.commands
      .filter((each) => each.name() !== 'help')
      .map((each) => `[${each.name()}](#${`${name} ${each.name()}`.replaceAll(' ', '-')})`);
    return [
      `## ${name}`,
      `${sentence(command.description())}.`,
      `    ${name} ${command.usage()}`,
      ...(below.length === 0 ? [] : [`Commands: ${below.join(', ')}`]),
      ...(args.length + own.length === 0 ? [] : [['| | |', '| --- | --- |', ...args, ...own].join('\n')]),
      ...(others.length === 0 ? [] : [`Also: ${others.join(', ')}`]),
    ].join('\n\n');
  });

  await expect(`# Commands

<!-- Written by \`npm run docs -- --write\` from what --help says. -->

Install with \`npm install @lane/cli\`, and run as \`npx lane\`. [Examples with their output](../../packages/cli/README.md).

| exit code | meaning |
| --- | --- |
| ${EXIT.ok} | done |
| ${EXIT.failed} | failed, or a check found a problem; one line says what to do |
| ${EXIT.usage} | invalid arguments |
| ${EXIT.conflict} | somebody else changed the lane groups meanwhile; nothing was overwritten |

## Options of several commands

| | |
| --- | --- |
${[...shared.values()].join('\n')}

${sections.join('\n\n')}
`).toMatchFileSnapshot(join(__dirname, '../../../../docs/reference/cli.md'));
});
