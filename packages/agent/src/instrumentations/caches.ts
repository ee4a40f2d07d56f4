/**
 * Caches above the clients. They key answers by URL, before our header is there: base would get gray's answers, and gray would get
 * base's. If a cache builds its keys in one place, the tag becomes part of them; otherwise a tagged request's call
 * bypasses the cache, for reading and for writing.
 * Limits: ES modules before Node 22.15, and what an app caches itself (whole pages, memoized results).
 */
import { urlToHttpOptions } from 'node:url';
import { currentContext } from '@lane/core/model';
import { wrap } from '../patching/wrap.js';
import type { LoadedFile } from '../patching/instrumentation.js';

type Method = (this: unknown, ...args: unknown[]) => unknown;
type Interceptor = (dispatch: Method) => Method;

export function patch({ exports, file, holder }: LoadedFile): void {
  switch (file) {
    case 'next/dist/server/lib/incremental-cache/index.js': {
      const { prototype } = (exports as { IncrementalCache: { prototype: object } }).IncrementalCache;
      // Called fetchCacheKey before Next 15.
      for (const method of ['generateCacheKey', 'fetchCacheKey']) wrap(prototype, method, keyOfUrl);
      return;
    }
    case 'undici/lib/interceptor/cache.js':
    case 'undici/lib/interceptor/deduplicate.js':
      wrap(holder, 'exports', pastInterceptor);
      return;
    case 'make-fetch-happen/lib/cache/key.js':
      wrap(holder, 'exports', keyOfConfig);
      return;
    case 'cacheable-request/src/index.js':
      wrap((exports as { prototype: object }).prototype, 'createCacheableRequest', pastCacheable);
      return;
    case 'cacheable-request/dist/index.js':
      asGiven((exports as { CacheableRequest: { prototype: object } }).CacheableRequest.prototype, 'request', pastCacheable);
      return;
    case 'axios-cache-interceptor/dist/index.cjs':
    case 'axios-cache-interceptor/dev/index.cjs':
    case 'axios-cache-interceptor/dist/index.mjs':
    case 'axios-cache-interceptor/dev/index.mjs':
      wrap(exports as object, 'setupCache', (original) => {
        return function setupCache(this: unknown, ...args: unknown[]): unknown {
          const made = Reflect.apply(original, this, args) as object;
          wrap(made, 'generateKey', keyOfConfig);
          return made;
        };
      });
      return;
    // @nestjs: it caches the app's own answers, which are made from other services' answers.
    default:
      wrap((exports as { CacheInterceptor: { prototype: object } }).CacheInterceptor.prototype, 'intercept', (original) => {
        return function intercept(this: unknown, ...args: unknown[]): unknown {
          if (currentContext()?.tag === undefined) return Reflect.apply(original, this, args);
          return (args[1] as { handle(): unknown }).handle();
        };
      });
  }
}

/** Wraps a method that a constructor sets on each instance, as it is set: the prototype has none. */
function asGiven(prototype: object, name: string, make: (original: Method) => Method): void {
  Object.defineProperty(prototype, name, {
    configurable: true,
    set(this: object, value: Method) {
      const given = { value };
      wrap(given, 'value', make);
      Object.defineProperty(this, name, { value: given.value, writable: true, enumerable: true, configurable: true });
    },
  });
}

/** What makes `(options, callback) => emitter` of cacheable-request, which got's `cache` is: a tagged request asks and leaves nothing. */
function pastCacheable(original: Method): Method {
  return function makeCacheable(this: unknown, ...making: unknown[]): unknown {
    const made = { request: Reflect.apply(original, this, making) as Method };
    wrap(made, 'request', (request: Method) => {
      return function asked(this: unknown, ...args: unknown[]): unknown {
        if (currentContext()?.tag !== undefined) args[0] = { ...optionsOf(args[0]), cache: false };
        return Reflect.apply(request, this, args);
      };
    });
    return made.request;
  };
}

/** Options, a string or a URL. */
function optionsOf(given: unknown): object {
  return typeof given === 'string' || given instanceof URL ? urlToHttpOptions(new URL(given)) : (given as object);
}

/** `(url, init) => Promise<key>`: a hash of what it is given. */
function keyOfUrl(original: Method): Method {
  return function generateCacheKey(this: unknown, ...args: unknown[]): unknown {
    const tag = currentContext()?.tag;
    if (tag !== undefined) args[0] = `${String(args[0])}\nlane=${tag}`;
    return Reflect.apply(original, this, args);
  };
}

/** `(request) => key`, which the app may have written itself. */
function keyOfConfig(original: Method): Method {
  return function generateKey(this: unknown, ...args: unknown[]): unknown {
    const key = Reflect.apply(original, this, args);
    const tag = currentContext()?.tag;
    return tag === undefined ? key : `${String(key)} lane=${tag}`;
  };
}

/** Creates an interceptor, which a tagged request's dispatch bypasses. */
function pastInterceptor(original: (...options: unknown[]) => Interceptor): Method {
  return function makeInterceptor(this: unknown, ...options: unknown[]): unknown {
    const made = { interceptor: Reflect.apply(original, this, options) };
    // By wrap: undici looks at how many parameters they have.
    wrap(made, 'interceptor', (interceptor: Interceptor) => {
      return function intercept(this: unknown, dispatch: Method): Method {
        const caching = { dispatch: Reflect.apply(interceptor, this, [dispatch]) };
        wrap(caching, 'dispatch', (through: Method) => {
          return function dispatched(this: unknown, ...args: unknown[]): unknown {
            return Reflect.apply(currentContext()?.tag === undefined ? through : dispatch, this, args);
          };
        });
        return caching.dispatch;
      };
    });
    return made.interceptor;
  };
}
