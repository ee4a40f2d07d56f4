import { MAX_TAG_LENGTH } from '../tag.js';

/** Limits of a lane-group document, in one place for the schema and the validator. */
export const LIMITS = {
  /** Groups, lanes of a group, services of a group, rules of a lane, parts of a condition. */
  items: 1000,
  nameLength: 128,
  /** How deep conditions may be nested. */
  depth: 16,
} as const;

const name = { type: 'string', minLength: 1, maxLength: LIMITS.nameLength, pattern: '\\S' } as const;

const operators = {
  exact: { type: 'string', description: 'The whole value.' },
  prefix: { type: 'string', minLength: 1, description: 'How the value begins.' },
  suffix: { type: 'string', minLength: 1, description: 'How the value ends.' },
  regex: { type: 'string', minLength: 1, description: 'RE2 syntax (linear time); found anywhere in the value unless anchored with ^ and $.' },
  in: { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: LIMITS.items, description: 'One of these values.' },
  present: { type: 'boolean', description: 'true: there is a value, whatever it is; false: there is none.' },
  not: { $ref: '#/$defs/stringMatch', description: 'The comparison turned round; true for an absent value if the comparison needs one.' },
} as const;

const oneOperator = Object.keys(operators).map((operator) => ({ required: [operator] }));

const named = (what: 'header' | 'cookie' | 'query', description: string) =>
  ({
    type: 'object',
    description,
    properties: { [what]: { ...name, description: `Name of the ${what}.` }, ...operators },
    required: [what],
    oneOf: oneOperator,
    additionalProperties: false,
  }) as const;

const single = (what: string, value: object, description: string) =>
  ({ type: 'object', description, properties: { [what]: value }, required: [what], additionalProperties: false }) as const;

/** The JSON Schema of lane-group documents (draft 2020-12); the file lane-groups.schema.json is made from it. */
export const LANE_GROUPS_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Lane groups',
  description: 'Which services take part in which call chains, which lanes they have, and how requests enter them. Nacos config, dataId lane-groups, group LANE.',
  type: 'object',
  properties: {
    $schema: { type: 'string', description: 'Where this schema is, for editors.' },
    version: { const: 1, description: 'Version of the format.' },
    groups: { type: 'array', maxItems: LIMITS.items, items: { $ref: '#/$defs/group' } },
  },
  required: ['version', 'groups'],
  additionalProperties: false,
  $defs: {
    name,
    group: {
      title: 'Lane group',
      description: 'The services that take part in one call chain, and where traffic enters it.',
      type: 'object',
      properties: {
        name: { ...name, description: 'Unique among the groups.' },
        services: { type: 'array', minItems: 1, maxItems: LIMITS.items, uniqueItems: true, items: { $ref: '#/$defs/name' }, description: 'Names of services, as they are registered.' },
        entry: {
          type: 'object',
          description: 'Where requests get their tag by the rules of the lanes.',
          properties: { services: { type: 'array', minItems: 1, maxItems: LIMITS.items, uniqueItems: true, items: { $ref: '#/$defs/name' } } },
          required: ['services'],
          additionalProperties: false,
        },
        lanes: { type: 'array', maxItems: LIMITS.items, items: { $ref: '#/$defs/lane' } },
      },
      required: ['name', 'services', 'lanes'],
      additionalProperties: false,
    },
    lane: {
      title: 'Lane',
      description: 'An isolated environment within a lane group, identified by its tag.',
      type: 'object',
      properties: {
        name: { ...name, description: 'Unique in the group.' },
        tag: { type: 'string', pattern: `^[A-Za-z0-9._-]{1,${MAX_TAG_LENGTH}}$`, description: 'The tag of its requests and instances; unique in the group.' },
        enabled: { type: 'boolean', default: true, description: 'false: the tag counts as none.' },
        fallback: { enum: ['base', 'none'], description: 'What serves where the lane has no instance: base, or nothing.' },
        rules: { type: 'array', maxItems: LIMITS.items, items: { $ref: '#/$defs/rule' }, description: 'Entry rules, tried in order.' },
      },
      required: ['name', 'tag'],
      additionalProperties: false,
    },
    rule: {
      title: 'Entry rule',
      description: 'Puts a request into the lane. With match and percent, both must hold.',
      type: 'object',
      properties: {
        name: { ...name, description: 'Unique in the lane. A percentage is drawn anew if it changes.' },
        match: { $ref: '#/$defs/matcher' },
        percent: { type: 'number', minimum: 0, maximum: 100, description: 'Share of the requests, in steps of 0.01.' },
        by: {
          type: 'object',
          description: 'What the percentage sticks to: the same value is always in, or always out. Without it the choice is random.',
          properties: { header: name, cookie: name, query: name, clientIp: { const: true } },
          minProperties: 1,
          maxProperties: 1,
          additionalProperties: false,
        },
      },
      required: ['name'],
      anyOf: [{ required: ['match'] }, { required: ['percent'] }],
      dependentRequired: { by: ['percent'] },
      additionalProperties: false,
    },
    stringMatch: { type: 'object', description: 'Exactly one operator.', properties: operators, oneOf: oneOperator, additionalProperties: false },
    matcher: {
      title: 'Condition',
      oneOf: [
        single('all', { type: 'array', minItems: 1, maxItems: LIMITS.items, items: { $ref: '#/$defs/matcher' } }, 'All of these hold.'),
        single('any', { type: 'array', minItems: 1, maxItems: LIMITS.items, items: { $ref: '#/$defs/matcher' } }, 'One of these holds.'),
        single('not', { $ref: '#/$defs/matcher' }, 'This does not hold.'),
        single('host', { $ref: '#/$defs/stringMatch' }, 'The host, without port; case does not matter.'),
        single('path', { $ref: '#/$defs/stringMatch' }, 'The path, without query.'),
        single('method', { $ref: '#/$defs/stringMatch' }, 'The method; case does not matter.'),
        named('header', 'A header; case of the name does not matter.'),
        named('cookie', 'A cookie.'),
        named('query', 'A query parameter.'),
        single(
          'clientIp',
          { type: 'object', properties: { in: { type: 'array', minItems: 1, maxItems: LIMITS.items, items: { type: 'string' } } }, required: ['in'], additionalProperties: false },
          "The peer's address, in one of these networks (CIDR).",
        ),
      ],
    },
  },
} as const;
