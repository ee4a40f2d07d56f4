import type { LaneGroupsDocument, Problem } from '@lane/core/rules';

/**
 * Problems of a document, told as those of the part that was sent: of a group, or of a lane in it. What names a place elsewhere is
 * the other half of something that has to be unique, and told where it was sent.
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
