/** The API's schemas: they validate requests and make up the OpenAPI description. */
import { LANE_GROUPS_SCHEMA, type EntryExplanation, type Lane, type LaneGroup } from '@lane/core/rules';
import { TRAFFIC_ROUTES, type TrafficRoute } from '@lane/core/agent';
import type { GroupStatus } from '@lane/core/model';
import type { ConsoleHop } from './traffic/agents-views.js';
import { Type, type TUnsafe } from '@sinclair/typebox';
import type { Traffic } from './traffic/figures.js';

/** A type that is validated elsewhere, such as by parseLaneGroups, which reports the place of a problem in the document. */
const elsewhere = <T>(description: string): TUnsafe<T> => Type.Unsafe<T>({ type: 'object', additionalProperties: true, description });

const Name = Type.String({ minLength: 1, maxLength: 128 });
const { group: groupSchema, lane: laneSchema } = LANE_GROUPS_SCHEMA.$defs;

/** A problem of a request's body, and its place as a JSON pointer. */
export const ProblemSchema = Type.Object({ path: Type.String(), message: Type.String() });

/** Any error response. */
export const ErrorSchema = Type.Object(
  {
    code: Type.String({ description: 'ELANE_…' }),
    message: Type.String({ description: 'Cause and remedy.' }),
    problems: Type.Optional(Type.Array(ProblemSchema)),
    current: Type.Optional(Type.Unknown({ description: 'With ELANE_CONFLICT: the current state.' })),
    etag: Type.Optional(Type.String({ description: 'With ELANE_CONFLICT: its ETag.' })),
    changedBy: Type.Optional(Type.String({ description: 'With ELANE_CONFLICT: who changed it, if known.' })),
  },
  { description: 'What went wrong' },
);

/** The user, and the Nacos behind the console. */
export const SessionSchema = Type.Object(
  {
    user: Type.Union([Type.Object({ name: Type.String(), role: Type.Union([Type.Literal('viewer'), Type.Literal('editor')]) }), Type.Null()]),
    authentication: Type.Union([Type.Literal('none'), Type.Literal('token')], { description: 'Whether a token is required.' }),
    nacos: Type.Optional(Type.Object({ server: Type.String(), namespace: Type.String() })),
    version: Type.String(),
  },
  { description: 'Who is signed in' },
);

export const SignInSchema = Type.Object({ token: Type.String({ minLength: 1, maxLength: 1024 }) });

/** Parameters of paths. */
export const GroupParameters = Type.Object({ group: Name });
export const LaneParameters = Type.Object({ group: Name, lane: Name });
export const VersionParameters = Type.Object({ version: Type.String({ minLength: 1, maxLength: 64 }) });

/** `If-Match`, `If-None-Match`: the state that a change is based on. */
export const Preconditions = Type.Object({
  'if-match': Type.Optional(Type.String({ description: 'ETag of what the change is based on: it is refused if that is no longer current.' })),
  'if-none-match': Type.Optional(Type.Literal('*', { description: 'Only if nothing has this name yet.' })),
});

export const DryRun = Type.Object({ dryRun: Type.Optional(Type.Boolean({ description: 'Check it without publishing it.' })) });

/** A group without its lanes, which are separate resources. */
export type GroupBody = Omit<LaneGroup, 'lanes' | 'name'>;
export const GroupBodySchema = elsewhere<GroupBody>(`${groupSchema.description} Its services and entry, without name and lanes.`);
export type LaneBody = Omit<Lane, 'name'>;
export const LaneBodySchema = elsewhere<LaneBody>(`${laneSchema.description} Without its name.`);
export const DocumentBodySchema = Type.Object({ text: Type.String({ maxLength: 4 * 1024 * 1024, description: 'The document as JSON text.' }) });
export const EnabledSchema = Type.Object({ enabled: Type.Boolean() });

/** The answer to a change. */
export const ChangedSchema = Type.Object(
  {
    md5: Type.String(),
    etag: Type.Optional(Type.String()),
    problems: Type.Optional(Type.Array(ProblemSchema, { description: 'With dryRun: what is wrong, if anything.' })),
  },
  { description: 'Published, or with dryRun only checked' },
);

/** All groups as stored, and what serves where. */
export const GroupsSchema = Type.Object(
  {
    md5: Type.String({ description: 'md5 of the document; empty if there is none.' }),
    text: Type.String({ description: 'The document as stored in Nacos; empty if there is none.' }),
    problems: Type.Array(ProblemSchema, { description: 'Problems of the document in Nacos; there are then no groups.' }),
    groups: Type.Array(
      Type.Object({
        group: elsewhere<LaneGroup>('As in the document.'),
        etag: Type.String({ description: 'ETag of its services and entry.' }),
        laneEtags: Type.Record(Type.String(), Type.String(), { description: 'By lane name.' }),
        status: Type.Optional(elsewhere<GroupStatus>('Services × lanes; absent if the registry does not answer.')),
      }),
    ),
    statusAgeMs: Type.Optional(Type.Integer({ description: 'How long ago the registry was asked for the status.' })),
    statusProblem: Type.Optional(Type.String({ description: 'Why there is no status.' })),
    taking: Type.Array(
      Type.Object({
        taker: Type.String({ description: 'group/lane/rule.' }),
        robbed: Type.String({ description: 'group/lane/rule.' }),
        service: Type.String({ description: 'The entry that tries both rules.' }),
        percent: Type.Number({ description: 'The share that it takes, 0 to 100.' }),
      }),
      { description: 'Rules that take requests before a later rule of another lane is tried.' },
    ),
  },
  { description: 'All lane groups' },
);

const CountSchema = Type.Object({ usable: Type.Integer(), total: Type.Integer() });

/** The services in Nacos. */
export const ServicesSchema = Type.Object(
  {
    services: Type.Array(
      Type.Object({
        name: Type.String(),
        base: CountSchema,
        tags: Type.Array(Type.Object({ tag: Type.String(), usable: Type.Integer(), total: Type.Integer() })),
      }),
    ),
    leftOut: Type.Integer({ description: 'Number of services not listed because there are too many.' }),
  },
  { description: 'Services of the registry, and the tags of their instances' },
);

const ChangeSchema = Type.Object({
  version: Type.String(),
  at: Type.String(),
  operation: Type.String(),
  md5: Type.Optional(Type.String({ description: 'md5 of the document after the change.' })),
  isCurrent: Type.Boolean(),
  who: Type.Optional(Type.String({ description: 'Set if the change was made through this console.' })),
  action: Type.Optional(Type.String()),
  target: Type.Optional(Type.String()),
});

export const HistorySchema = Type.Object({ versions: Type.Array(ChangeSchema) }, { description: 'Changes, the latest first' });
export const VersionSchema = Type.Object(
  { version: Type.String(), text: Type.String(), before: Type.String() },
  { description: 'The document after and before a change' },
);

export const AuditSchema = Type.Object(
  {
    entries: Type.Array(
      Type.Object({
        at: Type.String(),
        who: Type.String(),
        role: Type.Optional(Type.String()),
        from: Type.String(),
        action: Type.String(),
        target: Type.Optional(Type.String()),
        md5After: Type.Optional(Type.String()),
        reason: Type.Optional(Type.String()),
      }),
    ),
  },
  { description: 'Who did what, the latest first' },
);

/** A request to explain. */
export const ExplainSchema = Type.Object({
  group: Name,
  host: Type.String({ maxLength: 1024, default: '' }),
  path: Type.String({ maxLength: 8192, default: '/' }),
  method: Type.String({ maxLength: 32, default: 'GET' }),
  headers: Type.Record(Type.String(), Type.String(), { default: {} }),
  clientIp: Type.Optional(Type.String({ maxLength: 64 })),
  tag: Type.Optional(Type.String({ maxLength: 64, description: 'A tag that the request already has: entry rules are then skipped.' })),
});

/** Why a request goes where it goes. */
export const ExplanationSchema = Type.Object(
  {
    entry: Type.Optional(elsewhere<EntryExplanation>('Rule by rule; absent if the group has no entry, or the request has a tag.')),
    tag: Type.Optional(Type.String({ description: 'The tag that the request has after the entry.' })),
    isDisabled: Type.Boolean({ description: 'Whether the tag counts as none because its lane is disabled.' }),
    hops: Type.Array(elsewhere<ConsoleHop>('Which instances of a service serve it, and what agents report about them.')),
  },
  { description: 'Which rule, which lane, and which instances' },
);

const Counted = {
  count: Type.Integer(),
  errors: Type.Integer(),
  perSecond: Type.Optional(Type.Number({ description: 'Since the previous reading, or in the window; left out at the first reading.' })),
  p95Ms: Type.Optional(
    Type.Number({
      description: '95th percentile of the response time in milliseconds. For calls, as the called instances measure it, by lane and tag.',
    }),
  ),
};
const InLane = Type.Object({ service: Type.String(), tag: Type.Optional(Type.String({ description: 'Left out: base.' })) });
const Route = Type.Unsafe<TrafficRoute>({ type: 'string', enum: [...TRAFFIC_ROUTES], description: 'How the destination of a call was chosen.' });

export const ServiceParameters = Type.Object({ service: Type.String({ minLength: 1, maxLength: 256 }) });
export const HopTag = Type.Object({ tag: Type.Optional(Type.String({ maxLength: 64, description: 'Tag of the calls; left out: base.' })) });

/** Instances of one service, from the view of calls with a tag. */
export const HopSchema = Type.Object(
  {
    isDisabled: Type.Boolean({ description: 'Whether the tag counts as none because its lane is disabled.' }),
    hop: elsewhere<ConsoleHop>('Which instances serve, and why, and what agents report about them.'),
    leftOut: Type.Integer({ description: 'Number of instances not listed because there are too many.' }),
  },
  { description: 'Which instances of a service serve calls of a tag' },
);

/** The requested part of the last hour. */
export const TrafficWindow = Type.Object({
  seconds: Type.Optional(
    Type.Integer({ minimum: 15, maximum: 3_600, description: 'Window of this many seconds; left out: since the processes started.' }),
  ),
  until: Type.Optional(Type.String({ format: 'date-time', maxLength: 40, description: 'End of the window; left out: now.' })),
});

/** Figures of all instances. */
export const TrafficSchema = Type.Unsafe<Traffic>(
  Type.Object(
    {
      at: Type.String({ format: 'date-time' }),
      recorded: Type.Optional(
        Type.Object(
          { from: Type.String({ format: 'date-time' }), to: Type.String({ format: 'date-time' }), stepSeconds: Type.Integer() },
          { description: 'The recorded part of the last hour.' },
        ),
      ),
      nodes: Type.Array(
        Type.Object({ ...InLane.properties, ...Counted, instances: Type.Integer({ description: 'Instances that reported figures.' }) }),
      ),
      edges: Type.Array(
        Type.Object({ from: InLane, to: InLane, tag: Type.Optional(Type.String({ description: 'Tag of the requests.' })), route: Route, ...Counted }),
      ),
      decisions: Type.Array(
        Type.Object({
          at: Type.String({ format: 'date-time' }),
          service: Type.String({ description: 'The caller.' }),
          serviceTag: Type.Optional(Type.String()),
          peer: Type.String(),
          tag: Type.Optional(Type.String()),
          outcome: Route,
          instance: Type.Optional(Type.String({ description: 'ip:port; left out: it went to no instance.' })),
        }),
        { description: 'The latest first.' },
      ),
      sources: Type.Object({
        asked: Type.Integer(),
        answered: Type.Integer(),
        silent: Type.Integer({ description: 'Instances that announce no figures of their own.' }),
        elsewhere: Type.Integer({ description: 'Those of them that announce the address of another process, which is not asked.' }),
        tooLarge: Type.Integer({ description: 'Asked but not read: the answer exceeds the limit for one instance, or for all together.' }),
        leftOut: Type.Integer({ description: 'Not asked because there are too many, or the time was up.' }),
        ignored: Type.Integer({ description: 'Entries that are not shown because they are malformed or too many.' }),
        problems: Type.Array(Type.Object({ service: Type.String(), instance: Type.String(), problem: Type.String() })),
      }),
    },
    { description: 'Who calls whom, counted by the agents, and their latest decisions' },
  ),
);
