/** The page of lane groups in the documents is written from their schema: `npm run docs -- --write`. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import schema from '../../schema/lane-groups.schema.json';

interface Part {
  readonly $ref?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly items?: Part;
  readonly properties?: Readonly<Record<string, Part>>;
  readonly required?: readonly string[];
  readonly oneOf?: readonly Part[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
}

/** Parts with a section of their own. */
const SECTIONS: Readonly<Record<string, string>> = {
  group: 'Lane group',
  lane: 'Lane',
  rule: 'Entry rule',
  matcher: 'Condition',
  stringMatch: 'Comparison',
};
const PARTS = schema.$defs as Readonly<Record<string, Part>>;

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (value: unknown): string => `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
const link = (title: string): string => `[${title.toLowerCase()}](#${title.toLowerCase().replaceAll(' ', '-')})`;

function typeOf(part: Part): string {
  const name = part.$ref?.split('/').at(-1);
  if (name !== undefined) return SECTIONS[name] === undefined ? typeOf(PARTS[name] as Part) : link(SECTIONS[name]);
  if (part.const !== undefined) return code(part.const);
  if (part.enum !== undefined) return part.enum.map(code).join(' or ');
  if (part.items !== undefined) {
    const bounds = [
      part.minItems === undefined ? [] : [`at least ${part.minItems}`],
      part.maxItems === undefined ? [] : [`at most ${part.maxItems}`],
    ].flat();
    return `list of ${typeOf(part.items)}${bounds.length === 0 ? '' : `, ${bounds.join(', ')}`}`;
  }
  if (part.minimum !== undefined || part.maximum !== undefined) return `${part.type} from ${part.minimum} to ${part.maximum}`;
  // The other pattern there is only says that a name is more than spaces.
  if (part.pattern?.startsWith('^') === true) return `${part.type}, ${code(part.pattern)}`;
  if (part.minLength !== undefined && part.maxLength !== undefined) return `${part.type} of ${part.minLength} to ${part.maxLength} characters`;
  return part.type ?? 'object';
}

/** A line for each property, and for those of objects without a section. */
function* rows(part: Part, path = ''): Generator<string> {
  for (const [name, property] of Object.entries(part.properties ?? {})) {
    const isRequired = part.required?.includes(name) === true;
    const fallback = property.default === undefined ? '' : ` Default: ${code(property.default)}.`;
    const description = property.description ?? PARTS[property.$ref?.split('/').at(-1) ?? '']?.description ?? property.title ?? '';
    yield `| \`${path}${name}\`${isRequired ? ' (required)' : ''} | ${cell(typeOf(property))} | ${cell(description)}${fallback} |`;
    yield* rows(property, `${path}${name}.`);
  }
}

/** A condition is one of several objects. Those that name a header, cookie or parameter have a comparison beside the name. */
function* conditions(): Generator<string> {
  for (const { properties = {}, description = '' } of (PARTS['matcher'] as Part).oneOf ?? []) {
    const [[name, value], ...others] = Object.entries(properties) as [[string, Part], ...Array<[string, Part]>];
    const beside =
      others.length === 0
        ? ''
        : `, and beside it one field of a ${link(SECTIONS['stringMatch'] as string)}: ${others.map(([key]) => code(key)).join(', ')}`;
    yield `| \`${name}\` | ${cell(typeOf(value))}${beside} | ${cell(description)} |`;
    yield* rows(value, `${name}.`);
  }
}

function section(name: string, title: string): string {
  const part = PARTS[name] as Part;
  const introduction = name === 'matcher' ? 'Exactly one of these.' : part.description;
  return [
    `## ${title}`,
    ...(introduction === undefined ? [] : [introduction]),
    ['| field | type | meaning |', '| --- | --- | --- |', ...(name === 'matcher' ? conditions() : rows(part))].join('\n'),
  ].join('\n\n');
}

test('docs/reference/lane-groups.md matches the schema', async () => {
  await expect(`# Lane groups

<!-- Written by \`npm run docs -- --write\` from the JSON Schema. -->

${schema.description} An [example](../guides/lane-groups.md), and the [JSON Schema](../../packages/core/schema/lane-groups.schema.json) for your editor.

| field | type | meaning |
| --- | --- | --- |
${[...rows(schema as Part)].join('\n')}

${Object.entries(SECTIONS)
  .map(([name, title]) => section(name, title))
  .join('\n\n')}
`).toMatchFileSnapshot(join(__dirname, '../../../../docs/reference/lane-groups.md'));
});
