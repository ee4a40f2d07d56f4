/** The API's schemas: requests are checked by them, and its OpenAPI description is made of them. */
import { LANE_GROUPS_SCHEMA, type EntryExplanation, type Lane, type LaneGroup } from '@lane/core/rules';
import { TRAFFIC_ROUTES, type TrafficRoute } from '@lane/core/agent';
import type { GroupStatus, HopExplanation } from '@lane/core/model';
import { Type, type TUnsafe } from '@sinclair/typebox';
import type { Traffic } from './traffic/figures.js';

/** A type that is checked elsewhere, such as by parseLaneGroups, which tells where in a document something is wrong. */
const elsewhere = <T>(description: string): TUnsafe<T> => Type.Unsafe<T>({ type: 'object', additionalProperties: true, description });

const Name = Type.String({ minLength: 1, maxLength: 128 });
const { group: groupSchema, lane: laneSchema } = LANE_GROUPS_SCHEMA.$defs;

/** What is wrong in what was sent: where (a JSON pointer into it) and what. */
export const ProblemSchema = Type.Object({ path: Type.String(), message: Type.String() });

/** Any answer that is no success. */
export const ErrorSchema = Type.Object(
  {
    code: Type.String({ description: 'ELANE_…' }),
    message: Type.String({ description: 'Cause and remedy.' }),
    problems: Type.Optional(Type.Array(ProblemSchema)),
    current: Type.Optional(Type.Unknown({ description: 'With ELANE_CONFLICT: what is there now.' })),
    etag: Type.Optional(Type.String({ description: 'With ELANE_CONFLICT: its ETag.' })),
    changedBy: Type.Optional(Type.String({ description: 'With ELANE_CONFLICT: who made it so, where that is known.' })),
  },
  { description: 'What went wrong' },
);

/** Who asks, and what of. */
export const SessionSchema = Type.Object(
  {
    user: Type.Union([Type.Object({ name: Type.String(), role: Type.Union([Type.Literal('viewer'), Type.Literal('editor')]) }), Type.Null()]),
    authentication: Type.Union([Type.Literal('none'), Type.Literal('token')], { description: 'Whether a token is asked for.' }),
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

/** `If-Match`, `If-None-Match`: what the change was made on. */
export const Preconditions = Type.Object({
  'if-match': Type.Optional(Type.String({ description: 'ETag of what was changed: the change is refused where it is another one by now.' })),
  'if-none-match': Type.Optional(Type.Literal('*', { description: 'Only if there is none of this name.' })),
});

export const DryRun = Type.Object({ dryRun: Type.Optional(Type.Boolean({ description: 'Only check it.' })) });

/** A group without its lanes, which are resources of their own. */
export type GroupBody = Omit<LaneGroup, 'lanes' | 'name'>;
export const GroupBodySchema = elsewhere<GroupBody>(`${groupSchema.description} Its services and entry, without name and lanes.`);
export type LaneBody = Omit<Lane, 'name'>;
export const LaneBodySchema = elsewhere<LaneBody>(`${laneSchema.description} Without its name.`);
export const DocumentBodySchema = Type.Object({ text: Type.String({ maxLength: 4 * 1024 * 1024, description: 'The document as JSON text.' }) });
export const EnabledSchema = Type.Object({ enabled: Type.Boolean() });

/** Answer of a change. */
export const ChangedSchema = Type.Object(
  {
    md5: Type.String(),
    etag: Type.Optional(Type.String()),
    problems: Type.Optional(Type.Array(ProblemSchema, { description: 'With dryRun: what is wrong, if anything.' })),
  },
  { description: 'It is published; with dryRun, it has been checked' },
);

/** All groups, what they are made of and what serves where. */
export const GroupsSchema = Type.Object(
  {
    md5: Type.String({ description: 'md5 of the document; empty where there is none.' }),
    text: Type.String({ description: 'The document as it is in Nacos; empty where there is none.' }),
    problems: Type.Array(ProblemSchema, { description: 'What is wrong with the document in Nacos: then there are no groups.' }),
    groups: Type.Array(
      Type.Object({
        group: elsewhere<LaneGroup>('As in the document.'),
        etag: Type.String({ description: 'Of its services and entry.' }),
        laneEtags: Type.Record(Type.String(), Type.String(), { description: 'By name of the lane.' }),
        status: Type.Optional(elsewhere<GroupStatus>('Services × lanes; absent where the registry does not answer.')),
      }),
    ),
    statusAgeMs: Type.Optional(Type.Integer({ description: 'How long ago the registry was asked for the status.' })),
    statusProblem: Type.Optional(Type.String({ description: 'Why there is no status.' })),
    taking: Type.Array(
      Type.Object({
        taker: Type.String({ description: 'group/lane/rule.' }),
        robbed: Type.String({ description: 'group/lane/rule.' }),
        service: Type.String({ description: 'The entry at which both are asked.' }),
        percent: Type.Number({ description: 'The share that is taken, 0 to 100.' }),
      }),
      { description: 'Rules that take requests which a later rule of another lane asks for.' },
    ),
  },
  { description: 'All lane groups' },
);

const CountSchema = Type.Object({ usable: Type.Integer(), total: Type.Integer() });

/** What Nacos knows. */
export const ServicesSchema = Type.Object(
  {
    services: Type.Array(
      Type.Object({
        name: Type.String(),
        base: CountSchema,
        tags: Type.Array(Type.Object({ tag: Type.String(), usable: Type.Integer(), total: Type.Integer() })),
      }),
    ),
    /** More than are listed. */
    leftOut: Type.Integer({ description: 'Services that are not listed, for there are too many.' }),
  },
  { description: 'Services of the registry, and the tags of their instances' },
);

const ChangeSchema = Type.Object({
  version: Type.String(),
  at: Type.String(),
  operation: Type.String(),
  md5: Type.Optional(Type.String({ description: 'Of the document since then.' })),
  isCurrent: Type.Boolean(),
  who: Type.Optional(Type.String({ description: 'Where the change was made through this console.' })),
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
  tag: Type.Optional(Type.String({ maxLength: 64, description: 'A tag that the request has already: then no rule is asked.' })),
});

/** Why it goes where it goes. */
export const ExplanationSchema = Type.Object(
  {
    entry: Type.Optional(elsewhere<EntryExplanation>('Rule by rule; absent where the group has no entry, or the request has a tag.')),
    tag: Type.Optional(Type.String({ description: 'The tag with which it goes on.' })),
    isDisabled: Type.Boolean({ description: 'Whether the tag counts as none, for its lane is disabled.' }),
    hops: Type.Array(elsewhere<HopExplanation>('Which instances of a service serve it.')),
  },
  { description: 'Which rule, which lane, and which instances' },
);

const Counted = {
  count: Type.Integer(),
  errors: Type.Integer(),
  perSecond: Type.Optional(Type.Number({ description: 'Since the look before, or in the window; left out at the first look.' })),
  p95Ms: Type.Optional(
    Type.Number({ description: 'Milliseconds within which 95 of 100 were answered. Of calls: as the called instances measure it, by lane and tag.' }),
  ),
};
const InLane = Type.Object({ service: Type.String(), tag: Type.Optional(Type.String({ description: 'Left out: base.' })) });
const Route = Type.Unsafe<TrafficRoute>({ type: 'string', enum: [...TRAFFIC_ROUTES], description: 'How a call came to its destination.' });

export const ServiceParameters = Type.Object({ service: Type.String({ minLength: 1, maxLength: 256 }) });
export const HopTag = Type.Object({ tag: Type.Optional(Type.String({ maxLength: 64, description: 'Of the calls; left out: base.' })) });

/** Instances of one service, as calls of a tag meet them. */
export const HopSchema = Type.Object(
  {
    isDisabled: Type.Boolean({ description: 'Whether the tag counts as none, for its lane is disabled.' }),
    hop: elsewhere<HopExplanation>('Which instances serve, and why.'),
    leftOut: Type.Integer({ description: 'Instances that are not listed, for there are too many.' }),
  },
  { description: 'Which instances of a service serve calls of a tag' },
);

/** Which part of the last hour is asked for. */
export const TrafficWindow = Type.Object({
  seconds: Type.Optional(
    Type.Integer({ minimum: 15, maximum: 3_600, description: 'Only what was counted in so many seconds; left out: since the processes began.' }),
  ),
  until: Type.Optional(Type.String({ format: 'date-time', maxLength: 40, description: 'Before this time; left out: before now.' })),
});

/** Figures of all instances. */
export const TrafficSchema = Type.Unsafe<Traffic>(
  Type.Object(
    {
      at: Type.String({ format: 'date-time' }),
      recorded: Type.Optional(
        Type.Object(
          { from: Type.String({ format: 'date-time' }), to: Type.String({ format: 'date-time' }), stepSeconds: Type.Integer() },
          { description: 'Which part of the last hour there is.' },
        ),
      ),
      nodes: Type.Array(Type.Object({ ...InLane.properties, ...Counted, instances: Type.Integer({ description: 'Instances that told figures.' }) })),
      edges: Type.Array(
        Type.Object({ from: InLane, to: InLane, tag: Type.Optional(Type.String({ description: 'Of the requests.' })), route: Route, ...Counted }),
      ),
      decisions: Type.Array(
        Type.Object({
          at: Type.String({ format: 'date-time' }),
          service: Type.String({ description: 'Who called.' }),
          serviceTag: Type.Optional(Type.String()),
          peer: Type.String(),
          tag: Type.Optional(Type.String()),
          outcome: Route,
          instance: Type.Optional(Type.String({ description: 'ip:port; left out: it went nowhere.' })),
        }),
        { description: 'The latest first.' },
      ),
      sources: Type.Object({
        asked: Type.Integer(),
        answered: Type.Integer(),
        silent: Type.Integer({ description: 'Instances that announce no figures of their own.' }),
        elsewhere: Type.Integer({ description: 'Those of them that announce an address which is not theirs: it is not asked.' }),
        tooLarge: Type.Integer({ description: 'Asked, and not read: they tell more than is read of one instance, or of all together.' }),
        leftOut: Type.Integer({ description: 'Not asked: there are too many, or the time was over.' }),
        ignored: Type.Integer({ description: 'Entries of what they tell that are not shown: of another form, or too many.' }),
        problems: Type.Array(Type.Object({ service: Type.String(), instance: Type.String(), problem: Type.String() })),
      }),
    },
    { description: 'Who calls whom, counted by the agents, and their latest decisions' },
  ),
);
