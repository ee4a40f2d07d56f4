import { hostname, userInfo } from 'node:os';
import { Option, type Command } from 'commander';

/** Options that name the author of a change. */
export interface AuthorArguments {
  author?: string | undefined;
  /** The former name of `--author`. */
  by?: string;
}

/** Adds `--author`. */
export function withAuthor(command: Command): Command {
  return command.option('--author <name>', 'author of the change, for the history');
}

/** Adds `--author`, and `--by`, its former name: `lane set` has always used that for the key that a share sticks to. */
export function withAuthorOrBy(command: Command): Command {
  return withAuthor(command).addOption(new Option('--by <name>', 'former name of --author').hideHelp());
}

/** The author of a change, for Nacos's history: `--author`, or user and host. */
export function authorOf({ author, by }: AuthorArguments): string {
  if (by !== undefined) console.error('warning: --by is deprecated here: use --author');
  const given = author ?? by;
  if (given !== undefined && given !== '') return given;
  let user = 'unknown';
  try {
    user = userInfo().username;
  } catch {
    // A container's user may have no name.
  }
  return `${user}@${hostname()}`;
}
