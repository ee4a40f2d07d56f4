/** Names of lanes in commands: GROUP/LANE. */
import { InvalidArgumentError } from 'commander';

/** The name of a lane, with its group's. */
export interface LaneName {
  readonly group: string;
  readonly lane: string;
}

/** Parses GROUP/LANE; a group's name may contain slashes. */
export function parseLaneName(text: string): LaneName {
  const slash = text.lastIndexOf('/');
  const group = text.slice(0, Math.max(slash, 0)).trim();
  const lane = text.slice(slash + 1).trim();
  if (slash === -1 || group === '' || lane === '') throw new InvalidArgumentError('a lane is named GROUP/LANE, such as shop/gray.');
  return { group, lane };
}
