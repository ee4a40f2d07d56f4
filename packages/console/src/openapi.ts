/** The description of the API, generated from the schemas of its routes: OpenAPI 3.1 uses JSON Schema as it is. */
import type { FastifyInstance } from 'fastify';

/** Returns a description that grows with each route added to `app`. */
export function describeRoutes(app: Pick<FastifyInstance, 'addHook'>, version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  app.addHook('onRoute', ({ method, url, schema = {} }) => {
    // Routes without a schema are not part of the API: pages, and the 404 of unknown API paths.
    if (Object.keys(schema).length === 0) return;
    const path = url.replace(/:(\w+)/g, '{$1}');
    // Fastify adds a HEAD to each GET.
    for (const one of [method].flat()) if (one !== 'HEAD') (paths[path] ??= {})[one.toLowerCase()] = operationOf(schema as RouteSchema);
  });
  return {
    openapi: '3.1.0',
    info: {
      title: 'Lane console',
      description: 'Lane groups, lanes, instances and traffic.',
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: 'lane_session',
          description: 'Changes also need the header x-lane-console: 1.',
        },
      },
    },
    security: [{ token: [] }, { session: [] }],
    paths,
  };
}

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

interface RouteSchema {
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly description?: string;
  readonly params?: Schema;
  readonly querystring?: Schema;
  readonly headers?: Schema;
  readonly body?: Schema;
  readonly response?: Readonly<Record<string, Schema>>;
}

function operationOf({ params, querystring, headers, body, response = {}, ...texts }: RouteSchema): object {
  const parameters = [...parametersIn('query', querystring), ...parametersIn('path', params), ...parametersIn('header', headers)];
  const responses = Object.entries(response).map(([status, schema]) => [
    status.toUpperCase(),
    { description: schema.description ?? 'Done', content: asJson(schema) },
  ]);
  return {
    ...texts,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: asJson(body) } }),
    responses: responses.length === 0 ? { default: { description: 'Done' } } : Object.fromEntries(responses),
  };
}

function parametersIn(place: 'query' | 'path' | 'header', { properties = {}, required = [] }: Schema = {}): object[] {
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

function asJson(schema: Schema): object {
  return { 'application/json': { schema } };
}
