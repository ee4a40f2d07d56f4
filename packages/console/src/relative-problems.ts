import type { LaneGroupsDocument, Problem } from '@lane/core/rules';

/**
 * Makes paths of a document's problems relative to the part that was sent: a group, or a lane in it. A problem at another place is the other half
 * of a duplicate name or tag, and gets the path of that field in the part that was sent.
 */
export function relativeProblems(problems: readonly Problem[], document: LaneGroupsDocument, group: string, lane?: string): Problem[] {
  const i = document.groups.findIndex(({ name }) => name === group);
  const j = document.groups[i]?.lanes.findIndex(({ name }) => name === lane) ?? -1;
  const prefix = lane === undefined ? `/groups/${i}` : `/groups/${i}/lanes/${j}`;
  return problems.map(({ path, message }) => {
    if (path === prefix || path.startsWith(`${prefix}/`)) return { path: path.slice(prefix.length), message };
    const field = path.slice(path.lastIndexOf('/'));
    return { path: field === '/tag' || field === '/name' ? field : path, message };
  });
}
