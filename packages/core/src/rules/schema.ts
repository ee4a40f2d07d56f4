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

/** What no name may hold, as a class of a regular expression with the flag u: C0, DEL, C1, the separators of lines, and halves of surrogate pairs. */
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
  prefix: { title: 'Begins with', type: 'string', minLength: 1, description: 'How the value begins.' },
  suffix: { title: 'Ends with', type: 'string', minLength: 1, description: 'How the value ends.' },
  regex: {
    title: 'Regular expression',
    type: 'string',
    minLength: 1,
    maxLength: LIMITS.regexLength,
    description: 'RE2 syntax (linear time); found anywhere in the value unless anchored with ^ and $. Values of more than 512 characters match none.',
  },
  in: { title: 'One of', type: 'array', items: { type: 'string' }, minItems: 1, maxItems: LIMITS.items, description: 'One of these values.' },
  present: { title: 'Present', type: 'boolean', description: 'true: there is a value, whatever it is, be it empty; false: there is none.' },
  not: {
    title: 'Not',
    $ref: '#/$defs/stringMatch',
    description: 'The comparison turned round; true for an absent value if the comparison needs one.',
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
 * The JSON Schema of lane-group documents (draft 2020-12). The file schema/lane-groups.schema.json is this as JSON, and a test fails
 * where it is not. What a schema can't say parseLaneGroups checks besides: unique names and tags, regular expressions, networks,
 * depth, steps of percentages.
 */
export const LANE_GROUPS_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Lane groups',
  description:
    'Which services take part in which call chains, which lanes they have, and how requests enter them. Nacos config, dataId lane-groups, group LANE.',
  type: 'object',
  properties: {
    $schema: { type: 'string', description: 'Where this schema is, for editors.' },
    version: { title: 'Version', const: 1, description: 'Version of the format: 1 is the only one there is.' },
    groups: {
      title: 'Lane groups',
      description: 'Earlier ones go first where several have the same service.',
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
        name: { ...name, title: 'Name', description: 'Unique among the groups.' },
        services: {
          title: 'Services',
          type: 'array',
          minItems: 1,
          maxItems: LIMITS.items,
          uniqueItems: true,
          items: { $ref: '#/$defs/name' },
          description: 'Names of services, as they are registered.',
        },
        entry: {
          title: 'Entry',
          type: 'object',
          description: 'Where requests get their tag by the rules of the lanes. Without it the rules are not asked.',
          properties: {
            services: {
              title: 'Entry services',
              type: 'array',
              minItems: 1,
              maxItems: LIMITS.items,
              uniqueItems: true,
              items: { $ref: '#/$defs/name' },
              description: 'Names of services, or of gateways.',
            },
          },
          required: ['services'],
          additionalProperties: false,
        },
        baseMode: {
          title: 'Base instances',
          enum: ['untagged', 'outside-enabled-lanes'],
          description:
            'Which instances of these services are base: those without a tag, or those of no enabled lane. Default: LANE_BASE_MODE of each service.',
        },
        lanes: {
          title: 'Lanes',
          type: 'array',
          maxItems: LIMITS.items,
          items: { $ref: '#/$defs/lane' },
          description: 'Their rules are tried in this order.',
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
          description: 'false: the lane has no rules and no requests; where no enabled lane has the tag, it counts as none.',
        },
        polaris: {
          title: 'Polaris',
          type: 'object',
          description: 'What a lane rule of Polaris calls this lane, where that is not its tag.',
          properties: {
            key: { ...name, title: 'Label', description: 'Key of the label of its instances (label_key). Default: lane.' },
            values: {
              title: 'Values',
              type: 'array',
              minItems: 1,
              maxItems: LIMITS.items,
              uniqueItems: true,
              items: { $ref: '#/$defs/name' },
              description: 'Values of the label (default_label_value), any of which means this lane. Default: the tag.',
            },
            name: {
              ...name,
              title: 'Lane rule',
              description: 'Name of the lane rule, which follows the group in the header service-lane. Default: the tag.',
            },
          },
          additionalProperties: false,
        },
        fallback: {
          title: 'Fallback',
          enum: ['base', 'none'],
          description: 'What serves where the lane has no instance: base, or nothing. Without it, what LANE_FALLBACK says.',
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
          description: 'Unique in the lane. A percentage is drawn anew if it changes; rules of one name choose the same keys.',
        },
        match: { $ref: '#/$defs/matcher' },
        percent: {
          title: 'Percentage',
          type: 'number',
          minimum: 0,
          maximum: 100,
          description: 'Share of the requests that match, in steps of 0.01.',
        },
        by: {
          title: 'Sticky by',
          type: 'object',
          description:
            'What the percentage sticks to: the same value is always in, or always out. Without it, or where a request has no such value, the choice is random.',
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
        single('host', 'Host', { $ref: '#/$defs/stringMatch' }, 'The host, without port; case does not matter.'),
        single('path', 'Path', { $ref: '#/$defs/stringMatch' }, 'The path, without query.'),
        single('method', 'Method', { $ref: '#/$defs/stringMatch' }, 'The method; case does not matter.'),
        named('header', 'Header', 'A header; case of the name does not matter.'),
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
