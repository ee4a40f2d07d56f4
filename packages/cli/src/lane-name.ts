/** How commands name lanes: GROUP/LANE. */
import { InvalidArgumentError } from 'commander';

/** A lane of a group, by names. */
export interface LaneName {
  readonly group: string;
  readonly lane: string;
}

/** Parses GROUP/LANE; a group's own name may have slashes. */
export function parseLaneName(text: string): LaneName {
  const slash = text.lastIndexOf('/');
  const group = text.slice(0, Math.max(slash, 0)).trim();
  const lane = text.slice(slash + 1).trim();
  if (slash === -1 || group === '' || lane === '') throw new InvalidArgumentError('a lane is named GROUP/LANE, such as shop/gray.');
  return { group, lane };
}
