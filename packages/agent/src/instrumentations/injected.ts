/**
 * Requests that no server emits: light-my-request (and with it fastify.inject), @hapi/shot (hapi's server.inject), serverless-http and
 * serverless-express call the app's handler themselves, each at one place. The lane is read there. What is injected within a request, without a tag of its own, stays in that request's lane.
 */
import type http from 'node:http';
import { enterContext, type LaneContext } from '@lane/core/model';
import type { Marked, RequestLanes } from '../inbound/request-lanes.js';
import { safely } from '../patching/safely.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import { standIn } from '../patching/stand-in.js';
import { wrap } from '../patching/wrap.js';
import { SOURCE } from './http-server.js';

type Request = http.IncomingMessage & Marked;
type Method = (this: unknown, ...args: unknown[]) => unknown;

const PARTY = Symbol('lane.injected');

export function patch({ file, holder, runtime }: LoadedFile): void {
  const contextOf = safely('injected', (request: Request) => taggedContextOf(request, runtime.requests));
  if (file === 'light-my-request/index.js') {
    const contextOfCalled = ([, request]: readonly unknown[]): LaneContext | undefined =>
      typeof (request as Partial<Request> | undefined)?.headers === 'object' ? contextOf(request as Request) : undefined;
    // The handler keeps its identity, which Express needs: all versions run it through its `call`.
    const inLane = (original: Method): Method =>
      function inject(this: unknown, ...args: unknown[]): unknown {
        const [handler] = args;
        if (typeof handler === 'function') {
          if (Object.isExtensible(handler)) wrap(handler, 'call', (call: Method) => inLaneOf(call, contextOfCalled));
          else args[0] = runsInLane(handler as Method, contextOf);
        }
        return Reflect.apply(original, this, args);
      };
    wrap(holder, 'exports', inLane);
    for (const name of ['inject', 'default']) wrap(holder.exports as object, name, inLane);
    return;
  }
  if (file === '@hapi/shot/lib/index.js') {
    wrap(holder.exports as object, 'inject', (original) => {
      return function inject(this: unknown, ...args: unknown[]): unknown {
        if (typeof args[0] === 'function') args[0] = runsInLane(args[0] as Method, contextOf);
        return Reflect.apply(original, this, args);
      };
    });
    return;
  }
  if (file.endsWith('/serverless-express/src/frameworks/index.js')) {
    wrap(holder.exports as object, 'getFramework', (original) => {
      return function getFramework(this: unknown, ...args: unknown[]): unknown {
        const framework = Reflect.apply(original, this, args) as object;
        wrap(framework, 'sendRequest', (send: Method) => inLaneOf(send, ([given]) => contextOf((given as { request: Request }).request)));
        return framework;
      };
    });
    return;
  }
  wrap(holder, 'exports', (original) => {
    return function getFramework(this: unknown, ...args: unknown[]): unknown {
      return runsInLane(Reflect.apply(original, this, args) as Method, contextOf);
    };
  });
}

/** `(request, response)`, in the lane of the request. */
function runsInLane(handler: Method, contextOf: (request: Request) => LaneContext | undefined): Method {
  return standIn(handler, (given, self, args) => callInLane(given, self, args, contextOf(args[0] as Request)), PARTY);
}

/** Runs a function in the lane of the request among its arguments. */
function inLaneOf(original: Method, contextOf: (args: readonly unknown[]) => LaneContext | undefined): Method {
  return function inLane(this: unknown, ...args: unknown[]): unknown {
    return callInLane(original, this, args, contextOf(args));
  };
}

function callInLane(original: Method, self: unknown, args: unknown[], context: LaneContext | undefined): unknown {
  return context === undefined ? Reflect.apply(original, self, args) : enterContext(context, original, self, args);
}

function taggedContextOf(request: Request, requests: RequestLanes): LaneContext | undefined {
  const context = requests.contextOf(request, rawHeadersOf(request), request, SOURCE);
  return context?.tag === undefined ? undefined : context;
}

function rawHeadersOf({ rawHeaders, headers }: Request): readonly string[] {
  if (Array.isArray(rawHeaders) && rawHeaders.length > 0) return rawHeaders;
  return Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
}
