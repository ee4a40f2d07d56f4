/** Lane groups and their compiled rules. */
import { compileLaneGroups, parseLaneGroups, type Lane, type LaneGroupsDocument, type LaneRules } from '@lane/core/rules';

/** The rules of a document, which must be valid: it is parsed like one from a registry. */
export function rulesOf(document: LaneGroupsDocument): LaneRules {
  const parsed = parseLaneGroups(JSON.stringify(document));
  if (!parsed.ok) throw new Error(parsed.problems.map(({ message }) => message).join());
  return compileLaneGroups(parsed.document);
}

/** A document of one group, `shop`, with these services, and entry rules for `entry`. */
export function shopGroup(services: readonly string[], entry: string, lanes: readonly Lane[]): LaneGroupsDocument {
  return { version: 1, groups: [{ name: 'shop', services, entry: { services: [entry] }, lanes }] };
}
