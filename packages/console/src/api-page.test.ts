/** The page of the API in the documents is written from its OpenAPI description: `npm run docs -- --write`. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { start } from './testing/start.js';

interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}
interface Content {
  readonly content?: { readonly 'application/json': { readonly schema: Schema } };
}
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly description?: string;
  readonly schema: Schema;
}
interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Content & { readonly description: string }>>;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '\\<');

/** A type in a few words. */
function typeOf({ type, const: only, enum: values, anyOf, items }: Schema): string {
  if (only !== undefined) return JSON.stringify(only);
  if (values !== undefined) return values.map((value) => JSON.stringify(value)).join(' or ');
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeOf))].join(' or ');
  if (type === 'array') return `array of ${items === undefined ? 'anything' : typeOf(items)}`;
  return type ?? 'any';
}

function fieldsOf({ content }: Content): string[] {
  const schema = content?.['application/json'].schema;
  const { properties = {}, required = [] } = schema ?? {};
  return Object.entries(properties).map(([name, field]) => {
    const isOptional = required.includes(name) ? '' : ', optional';
    return `| \`${name}\` | ${cell(typeOf(field))}${isOptional} | ${cell(field.description ?? '')} |`;
  });
}

const table = (rows: readonly string[], head: string): string[] =>
  rows.length === 0 ? [] : [[`| ${head} | type | meaning |`, '| --- | --- | --- |', ...rows].join('\n')];

function section(method: string, path: string, { summary, description, parameters = [], requestBody, responses }: Operation): string {
  const rows = parameters.map(
    ({ name, in: place, required, schema, description: meaning = '' }) =>
      `| \`${name}\` (${place}) | ${cell(typeOf(schema))}${required ? '' : ', optional'} | ${cell(meaning)} |`,
  );
  const whole = requestBody?.content?.['application/json'].schema.description;
  const body = requestBody === undefined ? [] : fieldsOf(requestBody);
  const answers = Object.entries(responses).flatMap(([status, response]) => {
    const what = cell(response.description.replace(/\.$/, ''));
    // Errors look alike in all of them.
    return [`Answers ${status}: ${what}.`, ...(status.startsWith('2') ? table(fieldsOf(response), 'field') : [])];
  });
  return [
    `## ${method.toUpperCase()} ${path}`,
    ...(summary === undefined ? [] : [`${summary}.`]),
    ...(description === undefined ? [] : [description]),
    ...table(rows, 'parameter'),
    ...(requestBody !== undefined && body.length === 0 && whole !== undefined ? [`The body: ${whole}`] : []),
    ...table(body, 'body'),
    ...answers,
  ].join('\n\n');
}

test('docs/reference/console-api.md is what the OpenAPI description says', async () => {
  const { ask } = await start();
  const { body } = await ask('GET', '/api/openapi.json');
  const paths = Object.entries(body.paths as Record<string, Record<string, Operation>>).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const sections = paths.flatMap(([path, operations]) => Object.entries(operations).map(([method, one]) => section(method, path, one)));
  expect(sections.length).toBeGreaterThan(15);
  await expect(`# Console API

<!-- Written by \`npm run docs -- --write\` from its OpenAPI description. -->

\`GET /api/openapi.json\` of a running [console](../../packages/console/README.md) has all of this as OpenAPI 3.1, with the schemas of nested objects.

Scripts send \`Authorization: Bearer TOKEN\`. Browsers send the session cookie \`lane_session\`, and with changes the header
\`x-lane-console: 1\`. Errors have \`code\` and \`message\`: see [error codes](errors.md).

${sections.join('\n\n')}
`).toMatchFileSnapshot(join(__dirname, '../../../docs/reference/console-api.md'));
});
