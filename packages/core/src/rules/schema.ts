import { MAX_TAG_LENGTH } from '../names/tag.js';

/** Limits of a lane-group document, in one place for the schema and the validator. */
export const LIMITS = {
  /** Groups, lanes of a group, services of a group, rules of a lane, parts of a condition. */
  items: 1000,
  nameLength: 128,
  /** Of a regular expression. */
  regexLength: 1000,
  /** How deep conditions may be nested. */
  depth: 16,
} as const;

/** Characters forbidden in names, as a regular-expression class for the flag u: C0, DEL, C1, line separators and unpaired surrogates. */
export const UNPRINTABLE_CHARACTERS = '[\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\ud800-\\udfff]';

const name = {
  type: 'string',
  minLength: 1,
  maxLength: LIMITS.nameLength,
  pattern: '\\S',
  not: { pattern: UNPRINTABLE_CHARACTERS },
} as const;

const operators = {
  exact: { title: 'Equal to', type: 'string', description: 'The whole value.' },
  prefix: { title: 'Begins with', type: 'string', minLength: 1, description: 'The start of the value.' },
  suffix: { title: 'Ends with', type: 'string', minLength: 1, description: 'The end of the value.' },
  regex: {
    title: 'Regular expression',
    type: 'string',
    minLength: 1,
    maxLength: LIMITS.regexLength,
    description:
      'RE2 syntax (linear time); matches anywhere in the value unless anchored with ^ and $. Values of more than 512 characters never match.',
  },
  in: { title: 'One of', type: 'array', items: { type: 'string' }, minItems: 1, maxItems: LIMITS.items, description: 'One of these values.' },
  present: { title: 'Present', type: 'boolean', description: 'true: there is a value, even an empty one; false: there is none.' },
  not: {
    title: 'Not',
    $ref: '#/$defs/stringMatch',
    description: 'Negates the comparison; also true for an absent value, if the comparison needs a value.',
  },
} as const;

const oneOperator = Object.keys(operators).map((operator) => ({ required: [operator] }));

const named = (what: 'header' | 'cookie' | 'query', title: string, description: string) =>
  ({
    title,
    type: 'object',
    description,
    properties: { [what]: { ...name, description: `Name of the ${what}.` }, ...operators },
    required: [what],
    oneOf: oneOperator,
    additionalProperties: false,
  }) as const;

const single = (what: string, title: string, value: object, description: string) =>
  ({ title, type: 'object', description, properties: { [what]: value }, required: [what], additionalProperties: false }) as const;

/**
 * The JSON Schema of lane-group documents (draft 2020-12). The file schema/lane-groups.schema.json is this as JSON; a test fails
 * if they differ. parseLaneGroups also checks what a schema can't express: unique names and tags, regular expressions, networks,
 * depth, steps of percentages.
 */
export const LANE_GROUPS_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Lane groups',
  description:
    'Which services take part in which call chains, which lanes they have, and how requests enter them. Nacos config, dataId lane-groups, group LANE.',
  type: 'object',
  properties: {
    $schema: { type: 'string', description: 'Location of this schema, for editors.' },
    version: { title: 'Version', const: 1, description: 'Version of the format; always 1.' },
    groups: {
      title: 'Lane groups',
      description: 'Earlier groups take precedence if several have the same service.',
      type: 'array',
      maxItems: LIMITS.items,
      items: { $ref: '#/$defs/group' },
    },
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
        name: { ...name, title: 'Name', description: 'Unique among groups.' },
        services: {
          title: 'Services',
          type: 'array',
          minItems: 1,
          maxItems: LIMITS.items,
          uniqueItems: true,
          items: { $ref: '#/$defs/name' },
          description: 'Service names, as registered.',
        },
        entry: {
          title: 'Entry',
          type: 'object',
          description: 'The services or gateways that apply the entry rules of the lanes. Without it, no rule applies.',
          properties: {
            services: {
              title: 'Entry services',
              type: 'array',
              minItems: 1,
              maxItems: LIMITS.items,
              uniqueItems: true,
              items: { $ref: '#/$defs/name' },
              description: 'Names of services or gateways.',
            },
          },
          required: ['services'],
          additionalProperties: false,
        },
        baseMode: {
          title: 'Base instances',
          enum: ['untagged', 'outside-enabled-lanes'],
          description:
            'Which instances of these services are base: those without a tag, or those outside every enabled lane. Default: LANE_BASE_MODE of each service.',
        },
        lanes: {
          title: 'Lanes',
          type: 'array',
          maxItems: LIMITS.items,
          items: { $ref: '#/$defs/lane' },
          description: 'Rules are tried in the order of the lanes.',
        },
      },
      required: ['name', 'services', 'lanes'],
      additionalProperties: false,
    },
    lane: {
      title: 'Lane',
      description: 'An isolated environment within a lane group, identified by its tag.',
      type: 'object',
      properties: {
        name: { ...name, title: 'Name', description: 'Unique in the group.' },
        tag: {
          title: 'Tag',
          type: 'string',
          pattern: `^[A-Za-z0-9._-]{1,${MAX_TAG_LENGTH}}$`,
          description: 'The tag of its requests and instances; unique in the group.',
        },
        enabled: {
          title: 'Enabled',
          type: 'boolean',
          default: true,
          description: 'false: its rules do not apply, and it gets no requests. A tag that no enabled lane has counts as no tag.',
        },
        polaris: {
          title: 'Polaris',
          type: 'object',
          description: 'Names of this lane in a Polaris lane rule, if they differ from its tag.',
          properties: {
            key: { ...name, title: 'Label', description: 'Label key of its instances (label_key). Default: lane.' },
            values: {
              title: 'Values',
              type: 'array',
              minItems: 1,
              maxItems: LIMITS.items,
              uniqueItems: true,
              items: { $ref: '#/$defs/name' },
              description: 'Values of the label (default_label_value). Each means this lane and no other of the group. Default: the tag.',
            },
            name: {
              ...name,
              title: 'Lane rule',
              description: 'Name of the lane rule, which comes after the group in the header service-lane; unique in the group. Default: the tag.',
            },
          },
          additionalProperties: false,
        },
        fallback: {
          title: 'Fallback',
          enum: ['base', 'none'],
          description: 'What serves a request if the lane has no instance: base, or nothing. Default: LANE_FALLBACK of each service.',
        },
        rules: {
          title: 'Entry rules',
          type: 'array',
          maxItems: LIMITS.items,
          items: { $ref: '#/$defs/rule' },
          description: 'Entry rules, tried in order.',
        },
      },
      required: ['name', 'tag'],
      additionalProperties: false,
    },
    rule: {
      title: 'Entry rule',
      description: 'Puts a request into the lane. With match and percent, both must hold.',
      type: 'object',
      properties: {
        name: {
          ...name,
          title: 'Name',
          description:
            'Unique in the lane. A percentage hashes this name: renaming the rule redraws it, and rules with the same name choose the same keys.',
        },
        match: { $ref: '#/$defs/matcher' },
        percent: {
          title: 'Percentage',
          type: 'number',
          minimum: 0,
          maximum: 100,
          description: 'Share of the matching requests, in steps of 0.01.',
        },
        by: {
          title: 'Sticky by',
          type: 'object',
          description:
            'What the percentage sticks to: the same value is always in or always out. Without it, or if a request has no such value, the choice is random.',
          properties: {
            header: { ...name, title: 'Header', description: 'Name of a header.' },
            cookie: { ...name, title: 'Cookie', description: 'Name of a cookie.' },
            query: { ...name, title: 'Query parameter', description: 'Name of a query parameter.' },
            clientIp: { title: 'Client address', const: true, description: "The peer's address." },
          },
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
    stringMatch: {
      title: 'Comparison',
      type: 'object',
      description: 'Exactly one operator.',
      properties: operators,
      oneOf: oneOperator,
      additionalProperties: false,
    },
    matcher: {
      title: 'Condition',
      oneOf: [
        single('all', 'All of', { type: 'array', minItems: 1, maxItems: LIMITS.items, items: { $ref: '#/$defs/matcher' } }, 'All of these hold.'),
        single('any', 'Any of', { type: 'array', minItems: 1, maxItems: LIMITS.items, items: { $ref: '#/$defs/matcher' } }, 'One of these holds.'),
        single('not', 'Not', { $ref: '#/$defs/matcher' }, 'This does not hold.'),
        single('host', 'Host', { $ref: '#/$defs/stringMatch' }, 'The host, without port; case-insensitive.'),
        single('path', 'Path', { $ref: '#/$defs/stringMatch' }, 'The path, without query.'),
        single('method', 'Method', { $ref: '#/$defs/stringMatch' }, 'The method; case-insensitive.'),
        named('header', 'Header', 'A header; its name is case-insensitive.'),
        named('cookie', 'Cookie', 'A cookie.'),
        named('query', 'Query parameter', 'A query parameter.'),
        single(
          'clientIp',
          'Client address',
          {
            type: 'object',
            properties: {
              in: {
                title: 'One of',
                type: 'array',
                minItems: 1,
                maxItems: LIMITS.items,
                items: { type: 'string' },
                description: 'Networks such as 10.0.0.0/8 or fd00::/8, or single addresses.',
              },
            },
            required: ['in'],
            additionalProperties: false,
          },
          "The peer's address, in one of these networks (CIDR).",
        ),
      ],
    },
  },
} as const;
