/** Lane groups and lanes: reading and changing them. A change is made on top of the newest document, whatever else has changed in it. */
import {
  compileLaneGroups,
  groupNamed,
  laneNamed,
  LaneNotFoundError,
  parseLaneGroups,
  withGroup,
  withLane,
  withLaneEnabled,
  withoutGroup,
  withoutLane,
  type Lane,
  type LaneGroup,
  type LaneGroupsDocument,
  type Problem,
} from '@lane/core/rules';
import { InvalidLaneGroupsError } from '@lane/storage';
import { laneStatus, tablesOf, type FormatName, type GroupStatus, type SurveyedService } from '@lane/core/model';
import type { FastifyRequest } from 'fastify';
import type { AuditAction } from '../audit-log.js';
import { ConsoleError } from '../console-error.js';
import { etagOfGroup, etagOfLane } from '../etag.js';
import { relativeProblems } from '../relative-problems.js';
import {
  ChangedSchema,
  DryRun,
  EnabledSchema,
  ErrorSchema,
  GroupBodySchema,
  GroupParameters,
  GroupsSchema,
  LaneBodySchema,
  LaneParameters,
  Preconditions,
} from '../schemas.js';
import { audit, type Api, type RouteContext } from './context.js';

const answers = { 200: ChangedSchema, '4xx': ErrorSchema };

/** Routes of groups and lanes. */
export function groupRoutes(api: Api, context: RouteContext): void {
  const { store, surveyor, formats } = context;

  api.get(
    '/api/groups',
    { schema: { tags: ['groups'], summary: 'All lane groups, and what serves where', response: { 200: GroupsSchema } } },
    async () => {
      const [stored, survey] = await Promise.all([
        store.read(),
        surveyor.survey().then(
          (found) => ({ found, problem: undefined }),
          (error: Error) => ({ found: undefined, problem: error.message }),
        ),
      ]);
      const statuses = survey.found === undefined ? [] : statusOf(survey.found, stored.document, formats);
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
      };
    },
  );

  api.put(
    '/api/groups/:group',
    {
      schema: {
        tags: ['groups'],
        summary: 'Create a lane group, or change its services and entry',
        params: GroupParameters,
        querystring: DryRun,
        headers: Preconditions,
        body: GroupBodySchema,
        response: answers,
      },
    },
    async (request) => {
      const { group: name } = request.params;
      let action: AuditAction = 'group-created';
      const edit = (document: LaneGroupsDocument, isDryRun = false): LaneGroupsDocument => {
        const current = document.groups.find((group) => group.name === name);
        if (!isDryRun) expectPreconditions(context, request, 'lane group', name, current, current && etagOfGroup(current), partOf);
        action = current === undefined ? 'group-created' : 'group-changed';
        // Only what is the group's own: its lanes stay.
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
    { schema: { tags: ['groups'], summary: 'Delete a lane group', params: GroupParameters, headers: Preconditions, response: answers } },
    async (request) => {
      const { group: name } = request.params;
      const edit = (document: LaneGroupsDocument): LaneGroupsDocument => {
        const current = groupNamed(document, name);
        expectPreconditions(context, request, 'lane group', name, current, etagOfGroup(current), partOf);
        return withoutGroup(document, name);
      };
      const changed = await apply(
        request,
        edit,
        (_, problems) => problems,
        () => ({ action: 'group-deleted', target: name }),
      );
      return { md5: changed.md5 };
    },
  );

  api.put(
    '/api/groups/:group/lanes/:lane',
    {
      schema: {
        tags: ['lanes'],
        summary: 'Create a lane, or change it',
        params: LaneParameters,
        querystring: DryRun,
        headers: Preconditions,
        body: LaneBodySchema,
        response: answers,
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
    { schema: { tags: ['lanes'], summary: 'Switch a lane on or off', params: LaneParameters, body: EnabledSchema, response: answers } },
    async (request) => {
      const { group, lane: name } = request.params;
      const { enabled } = request.body;
      const changed = await apply(
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
    { schema: { tags: ['lanes'], summary: 'Delete a lane', params: LaneParameters, headers: Preconditions, response: answers } },
    async (request) => {
      const { group, lane: name } = request.params;
      const edit = (document: LaneGroupsDocument): LaneGroupsDocument => {
        const current = laneNamed(document, group, name);
        expectPreconditions(context, request, 'lane', `${group}/${name}`, current, etagOfLane(current), (lane) => lane);
        return withoutLane(document, group, name);
      };
      const changed = await apply(
        request,
        edit,
        (_, problems) => problems,
        () => ({ action: 'lane-deleted', target: `${group}/${name}` }),
      );
      return { md5: changed.md5 };
    },
  );

  function answer({ md5, problems }: Applied, etag: string) {
    return { md5, etag, ...(problems === undefined ? {} : { problems: [...problems] }) };
  }

  /** Publishes an edit, or only tries it; tells problems as those of what was sent, and notes who did what. */
  async function apply(
    request: FastifyRequest,
    edit: (document: LaneGroupsDocument, isDryRun?: boolean) => LaneGroupsDocument,
    tell: (document: LaneGroupsDocument, problems: readonly Problem[]) => readonly Problem[],
    what: () => { readonly action: AuditAction; readonly target: string },
  ): Promise<Applied> {
    const isDryRun = (request.query as { dryRun?: boolean }).dryRun === true;
    let edited: LaneGroupsDocument | undefined;
    try {
      if (isDryRun) {
        const stored = await store.read();
        edited = edit(stored.document, true);
        const parsed = parseLaneGroups(edited);
        return { md5: stored.md5 ?? '', document: edited, problems: parsed.ok ? [] : tell(edited, parsed.problems) };
      }
      const changed = await store.change((document) => (edited = edit(document)), { by: request.user?.name });
      if (changed.isChanged) audit(context, request, { ...what(), md5After: changed.md5 });
      return changed;
    } catch (error) {
      if (error instanceof InvalidLaneGroupsError && edited !== undefined) throw new InvalidLaneGroupsError(tell(edited, error.problems));
      if (error instanceof LaneNotFoundError) throw new ConsoleError('ELANE_NOT_FOUND', error.message);
      throw error;
    }
  }
}

interface Applied {
  readonly md5: string;
  readonly document: LaneGroupsDocument;
  /** Of an edit that was only tried. */
  readonly problems?: readonly Problem[];
}

function statusOf(survey: readonly SurveyedService[], document: LaneGroupsDocument, formats: readonly FormatName[]): readonly GroupStatus[] {
  const rules = compileLaneGroups(document);
  return laneStatus(rules, tablesOf(survey, rules, { formats }));
}

function partOf({ services, entry }: LaneGroup): object {
  return { services, ...(entry === undefined ? {} : { entry }) };
}

/** Throws where what is there is not what the change was made on. */
function expectPreconditions<T>(
  context: RouteContext,
  request: FastifyRequest,
  kind: 'lane group' | 'lane',
  target: string,
  current: T | undefined,
  etag: string | undefined,
  show: (current: T) => unknown,
): void {
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = request.headers;
  const what = `${kind} ${target}`;
  if (ifNoneMatch === '*' && current !== undefined) {
    throw new ConsoleError('ELANE_EXISTS', `there is a ${what} already: choose another name`, {
      problems: [{ path: '/name', message: `there is a ${what} already: choose another name` }],
    });
  }
  if (ifMatch === undefined || ifMatch === etag) return;
  const changedBy = context.audit.changeOf(target)?.who;
  throw new ConsoleError('ELANE_CONFLICT', `the ${what} has changed since you read it: look at what is there now, and decide`, {
    ...(current === undefined ? {} : { current: show(current), etag }),
    ...(changedBy === undefined ? {} : { changedBy }),
  });
}
