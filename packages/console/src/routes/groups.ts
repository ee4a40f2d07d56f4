/** Lane groups, without their lanes. */
import { compileLaneGroups, groupNamed, takingRules, withGroup, withoutGroup, type LaneGroup, type LaneGroupsDocument } from '@lane/core/rules';
import { laneStatus, type GroupStatus, type SurveyedService } from '@lane/core/model';
import type { AuditAction } from '../audit-log.js';
import { etagOfGroup, etagOfLane } from '../etag.js';
import { relativeProblems } from '../relative-problems.js';
import { DryRun, GroupBodySchema, GroupParameters, GroupsSchema, Preconditions } from '../schemas.js';
import { answer, apply, CHANGE_ANSWERS, expectPreconditions } from './change.js';
import type { Api, RouteContext } from './context.js';

/** Reading and changing them. */
export function groupRoutes(api: Api, context: RouteContext): void {
  const { store, surveyor } = context;

  api.get(
    '/api/groups',
    {
      config: { access: 'viewer' },
      schema: { tags: ['groups'], summary: 'All lane groups, and what serves where', response: { 200: GroupsSchema } },
    },
    async () => {
      const [stored, survey] = await Promise.all([
        store.read(),
        surveyor.surveySoon().then(
          ({ services, ageMs }) => ({ found: services, ageMs, problem: undefined }),
          (error: Error) => ({ found: undefined, ageMs: undefined, problem: error.message }),
        ),
      ]);
      const statuses = survey.found === undefined ? [] : statusOf(stored.text, stored.document, survey.found);
      return {
        md5: stored.md5 ?? '',
        text: stored.text,
        problems: [...stored.problems],
        groups: stored.document.groups.map((group) => {
          const status = statuses.find((one) => one.group === group.name);
          return {
            group,
            etag: etagOfGroup(group),
            laneEtags: Object.fromEntries(group.lanes.map((lane) => [lane.name, etagOfLane(lane)])),
            ...(status === undefined ? {} : { status }),
          };
        }),
        ...(survey.problem === undefined ? {} : { statusProblem: survey.problem }),
        ...(survey.ageMs === undefined ? {} : { statusAgeMs: survey.ageMs }),
        taking: takingRules(stored.document).map((rules) => ({ ...rules })),
      };
    },
  );

  api.put(
    '/api/groups/:group',
    {
      config: { access: 'editor' },
      schema: {
        tags: ['groups'],
        summary: 'Create a lane group, or change its services and entry',
        params: GroupParameters,
        querystring: DryRun,
        headers: Preconditions,
        body: GroupBodySchema,
        response: CHANGE_ANSWERS,
      },
    },
    async (request) => {
      const { group: name } = request.params;
      let action: AuditAction = 'group-created';
      const edit = (document: LaneGroupsDocument, isDryRun = false): LaneGroupsDocument => {
        const current = document.groups.find((group) => group.name === name);
        if (!isDryRun) expectPreconditions(context, request, 'lane group', name, current, current && etagOfGroup(current), partOf);
        action = current === undefined ? 'group-created' : 'group-changed';
        // Only the group's own fields: its lanes stay.
        const { services, entry, ...others } = request.body;
        return withGroup(document, {
          name,
          services,
          ...(entry === undefined ? {} : { entry }),
          ...others,
          lanes: current?.lanes ?? [],
        } as LaneGroup);
      };
      const changed = await apply(
        context,
        request,
        edit,
        (document, problems) => relativeProblems(problems, document, name),
        () => ({ action, target: name }),
      );
      return answer(changed, etagOfGroup(groupNamed(changed.document, name)));
    },
  );

  api.delete(
    '/api/groups/:group',
    {
      config: { access: 'editor' },
      schema: { tags: ['groups'], summary: 'Delete a lane group', params: GroupParameters, headers: Preconditions, response: CHANGE_ANSWERS },
    },
    async (request) => {
      const { group: name } = request.params;
      const edit = (document: LaneGroupsDocument): LaneGroupsDocument => {
        const current = groupNamed(document, name);
        expectPreconditions(context, request, 'lane group', name, current, etagOfGroup(current), partOf);
        return withoutGroup(document, name);
      };
      const changed = await apply(
        context,
        request,
        edit,
        (_, problems) => problems,
        () => ({ action: 'group-deleted', target: name }),
      );
      return { md5: changed.md5 };
    },
  );

  /** The latest result, because pages ask more often than anything changes. */
  let latest: { readonly text: string; readonly survey: readonly SurveyedService[]; readonly statuses: readonly GroupStatus[] } | undefined;

  function statusOf(text: string, document: LaneGroupsDocument, survey: readonly SurveyedService[]): readonly GroupStatus[] {
    if (latest?.text === text && latest.survey === survey) return latest.statuses;
    const rules = compileLaneGroups(document);
    const statuses = laneStatus(rules, surveyor.tablesOf(survey, rules));
    latest = { text, survey, statuses };
    return statuses;
  }
}

function partOf({ services, entry }: LaneGroup): object {
  return { services, ...(entry === undefined ? {} : { entry }) };
}
