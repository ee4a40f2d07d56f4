/** Lanes of a group. */
import { groupNamed, laneNamed, withLane, withLaneEnabled, withoutLane, type Lane, type LaneGroupsDocument } from '@lane/core/rules';
import type { AuditAction } from '../audit-log.js';
import { etagOfLane } from '../etag.js';
import { relativeProblems } from '../relative-problems.js';
import { DryRun, EnabledSchema, LaneBodySchema, LaneParameters, Preconditions } from '../schemas.js';
import { answer, apply, CHANGE_ANSWERS, expectPreconditions } from './change.js';
import type { Api, RouteContext } from './context.js';

/** Changing them; reading comes with the groups. */
export function laneRoutes(api: Api, context: RouteContext): void {
  api.put(
    '/api/groups/:group/lanes/:lane',
    {
      config: { access: 'editor' },
      schema: {
        tags: ['lanes'],
        summary: 'Create a lane, or change it',
        params: LaneParameters,
        querystring: DryRun,
        headers: Preconditions,
        body: LaneBodySchema,
        response: CHANGE_ANSWERS,
      },
    },
    async (request) => {
      const { group, lane: name } = request.params;
      let action: AuditAction = 'lane-created';
      const edit = (document: LaneGroupsDocument, isDryRun = false): LaneGroupsDocument => {
        const current = groupNamed(document, group).lanes.find((lane) => lane.name === name);
        if (!isDryRun) expectPreconditions(context, request, 'lane', `${group}/${name}`, current, current && etagOfLane(current), (lane) => lane);
        action = current === undefined ? 'lane-created' : 'lane-changed';
        return withLane(document, group, { ...request.body, name } as Lane);
      };
      const changed = await apply(
        context,
        request,
        edit,
        (document, problems) => relativeProblems(problems, document, group, name),
        () => ({
          action,
          target: `${group}/${name}`,
        }),
      );
      return answer(changed, etagOfLane(laneNamed(changed.document, group, name)));
    },
  );

  api.put(
    '/api/groups/:group/lanes/:lane/enabled',
    {
      config: { access: 'editor' },
      schema: { tags: ['lanes'], summary: 'Switch a lane on or off', params: LaneParameters, body: EnabledSchema, response: CHANGE_ANSWERS },
    },
    async (request) => {
      const { group, lane: name } = request.params;
      const { enabled } = request.body;
      const changed = await apply(
        context,
        request,
        (document) => withLaneEnabled(document, group, name, enabled),
        (_, problems) => problems,
        () => ({ action: enabled ? 'lane-enabled' : 'lane-disabled', target: `${group}/${name}` }),
      );
      return answer(changed, etagOfLane(laneNamed(changed.document, group, name)));
    },
  );

  api.delete(
    '/api/groups/:group/lanes/:lane',
    {
      config: { access: 'editor' },
      schema: { tags: ['lanes'], summary: 'Delete a lane', params: LaneParameters, headers: Preconditions, response: CHANGE_ANSWERS },
    },
    async (request) => {
      const { group, lane: name } = request.params;
      const edit = (document: LaneGroupsDocument): LaneGroupsDocument => {
        const current = laneNamed(document, group, name);
        expectPreconditions(context, request, 'lane', `${group}/${name}`, current, etagOfLane(current), (lane) => lane);
        return withoutLane(document, group, name);
      };
      const changed = await apply(
        context,
        request,
        edit,
        (_, problems) => problems,
        () => ({ action: 'lane-deleted', target: `${group}/${name}` }),
      );
      return { md5: changed.md5 };
    },
  );
}
