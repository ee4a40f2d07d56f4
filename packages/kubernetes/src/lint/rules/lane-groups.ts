/** Lane groups among the manifests: as separate documents, and in ConfigMaps that a gateway or an agent reads as a file. */
import { parseLaneGroups, takingRules, tellTaking, type LaneGroupsDocument } from '@lane/core/rules';
import type { Place } from '../finding.js';
import type { LintRule } from '../lint-rule.js';
import type { LaneGroupsText } from '../manifests.js';
import type { Path } from '../source-text.js';

/** Invalid lane groups. */
export const laneGroups: LintRule = {
  severity: 'error',
  about: 'Lane groups are invalid: their readers keep the last valid ones, or have none.',
  *find({ laneGroups: texts }) {
    for (const text of texts) {
      const parsed = parseLaneGroups(text.value);
      if (parsed.ok) continue;
      for (const { path, message } of parsed.problems) {
        const steps = path.split('/').slice(1).map(unescape);
        yield { ...placeOf(text, steps), ...titleOf(text), message: `${path === '' ? 'the document' : path} ${message}` };
      }
    }
  },
};

/** Entry rules whose requests go to another lane. */
export const ruleOrder: LintRule = {
  severity: 'warning',
  about: 'An earlier entry rule of another lane takes the requests of a rule, or a share of them.',
  *find({ laneGroups: texts }) {
    for (const text of texts) {
      const parsed = parseLaneGroups(text.value);
      if (!parsed.ok) continue;
      for (const taking of takingRules(parsed.document))
        yield { ...placeOf(text, pathOf(parsed.document, taking.robbed)), ...titleOf(text), reference: taking.robbed, message: tellTaking(taking) };
    }
  },
};

/** The place of the rule `group/lane/rule`. */
function pathOf({ groups }: LaneGroupsDocument, name: string): Path {
  for (const [i, group] of groups.entries()) {
    for (const [j, lane] of group.lanes.entries()) {
      const k = (lane.rules ?? []).findIndex((rule) => `${group.name}/${lane.name}/${rule.name}` === name);
      if (k !== -1) return ['groups', i, 'lanes', j, 'rules', k];
    }
  }
  return [];
}

function placeOf({ resource, inside }: LaneGroupsText, path: Path): Place {
  return resource.place(inside ?? path);
}

function titleOf({ resource, inside }: LaneGroupsText): { readonly resource: string } | undefined {
  return inside === undefined ? undefined : { resource: resource.title };
}

/** A step of a JSON Pointer (RFC 6901). */
function unescape(step: string): string | number {
  return /^\d+$/.test(step) ? Number(step) : step.replaceAll('~1', '/').replaceAll('~0', '~');
}
