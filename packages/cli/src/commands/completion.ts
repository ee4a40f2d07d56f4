import { Argument, Command } from 'commander';
import { complete, COMPLETION_SCRIPTS, type DynamicNames } from '../completion.js';
import { withNacos, withNacosOptions, type NacosArguments } from '../nacos-options.js';

/** `lane completion`. */
export function completionCommand(): Command {
  return new Command('completion')
    .description('print completion for a shell: eval "$(lane completion bash)"')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh']))
    .action((shell: 'bash' | 'zsh') => console.log(COMPLETION_SCRIPTS[shell].trimEnd()));
}

/** Called by the shells' scripts, not by people. */
export function completeCommand(): Command {
  return withNacosOptions(new Command('__complete'))
    .argument('[words...]')
    .action(async (words: string[], given: NacosArguments, command: Command) => {
      const program = command.parent ?? command;
      const found = await complete(program, words.length === 0 ? [''] : words, namesIn({ ...given, ...nacosIn(words) }));
      if (found.length > 0) console.log(found.join('\n'));
    });
}

/** How long a completion may take. */
const PATIENCE_MS = 1_500;

function namesIn(given: NacosArguments): DynamicNames {
  const ask = (work: (connection: import('@lane/nacos-registry').NacosConnection) => Promise<readonly string[]>): Promise<readonly string[]> =>
    Promise.race([
      withNacos(given, work).catch(() => []),
      new Promise<readonly string[]>((resolve) =>
        setTimeout(() => {
          resolve([]);
          // A pending request would keep the process alive.
          setImmediate(() => process.exit(0));
        }, PATIENCE_MS).unref(),
      ),
    ]);
  return {
    groups: () => ask(async (connection) => (await readGroups(connection)).map(({ name }) => name)),
    lanes: () => ask(async (connection) => (await readGroups(connection)).flatMap(({ name, lanes }) => lanes.map((lane) => `${name}/${lane.name}`))),
    services: () => ask((connection) => connection.services()),
  };
}

async function readGroups(connection: import('@lane/nacos-registry').NacosConnection): Promise<readonly import('@lane/core/rules').LaneGroup[]> {
  const { LaneGroupsStore } = await import('@lane/storage');
  return (await new LaneGroupsStore(connection).read()).document.groups;
}

/** The address and namespace of Nacos, if the unfinished command line already has them. */
function nacosIn(words: readonly string[]): Partial<NacosArguments> {
  const after = (option: string): string | undefined => words[words.indexOf(option) + 1 || words.length];
  const [nacos, namespace] = [after('--nacos'), after('--namespace')];
  return { ...(nacos === undefined ? {} : { nacos }), ...(namespace === undefined ? {} : { namespace }) };
}
