/** We cannot run APISIX in CI. nginx with Debian's Lua module runs the Lua that `lane gateway export apisix` writes for it. */
import { exportRules } from '@lane/gateway';
import type { FormatName } from '@lane/core/model';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '@lane/testing/ports';
import { programOf } from '../../servers/process.js';
import { ask, SHOP, sourceOf, startInstances, type Got, type Instances } from './entry.js';
import { startNginx } from './nginx.js';
import type { Proxy } from './proxy.js';

const MODULES = ['ndk_http_module.so', 'ngx_http_lua_module.so'].map((name) =>
  programOf('libnginx-mod-http-lua', [`/usr/lib/nginx/modules/${name}`]),
);

/** The functions of the first route, for lane gray, and of the last, for base. */
function functionsOf(text: string): { gray: string; base: string } {
  const all = [...text.matchAll(/^ +functions:\n +- \|\n((?:(?: {12}.*)?\n)+)/gm)].map(([, code]) => code as string);
  return { gray: all[0] as string, base: all.at(-1) as string };
}

let instances: Instances;
beforeAll(async () => {
  instances = await startInstances([]);
});
afterAll(() => instances.stop());

async function startLua(formats: readonly FormatName[]): Promise<Proxy> {
  const port = await freePort();
  const { gray, base } = functionsOf(exportRules('apisix', { ...sourceOf(instances, SHOP, port), formats }).text);
  const location = (path: string, code: string): string =>
    `location ${path} {\nrewrite_by_lua_block {\nlocal run = (function()\n${code}\nend)()\nrun({}, {})\n}\nproxy_pass http://127.0.0.1:${instances.instances[0]?.port};\n}`;
  return startNginx(`server {\nlisten ${port};\n${location('/gray', gray)}\n${location('/base', base)}\n}`, port, MODULES);
}

describe('the Lua of the export for APISIX', () => {
  test('writes the tag, keeps the client’s other baggage in any number of lines, and removes its lane', async () => {
    const nginx = await startLua(['baggage']);
    const baggage = async (path: string, sent: string | string[] | undefined): Promise<unknown> =>
      ((await ask(nginx.port, { path, headers: sent === undefined ? {} : { baggage: sent } })) as Got).headers.baggage;
    try {
      expect(await baggage('/gray', undefined)).toBe('lane=gray');
      expect(await baggage('/base', undefined)).toBeUndefined();
      expect(await baggage('/gray', 'user=42, lane = blue;p=1 ,x-mse-gray-tag=blue,city=x')).toBe('lane=gray,user=42,city=x');
      expect(await baggage('/base', ['user=42', 'lane=gray', 'airplane=gray'])).toBe('user=42,airplane=gray');
      expect(await baggage('/base', 'lane=gray')).toBeUndefined();
      expect(await baggage('/base', 'l%61ne=gray,;lane=gray, user = 42;p=1 ,+lane=gray,\u00a0lane=gray')).toBe('user = 42;p=1');
      expect(await baggage('/base', 'la ne=gray,x=1;p%2Clane=gray,y=a%3Bp%2Clane%3Dgray,z=%%33B,user=4%32;p=1,%256cane=gray')).toBe('user=4%32;p=1');
    } finally {
      await nginx.stop();
    }
  });

  test('writes the headers of other formats, and removes those of clients', async () => {
    const nginx = await startLua(['mse', 'polaris']);
    const forged = { 'x-mse-tag': 'blue', 'service-lane': 'shop/blue', 'dubbo.tag': 'blue', 'n-d-version': 'blue' };
    try {
      const gray = ((await ask(nginx.port, { path: '/gray', headers: forged })) as Got).headers;
      expect(gray).toMatchObject({
        baggage: `__microservice_tag__=[{%22name%22:%22gray%22%2C%22tag%22:%22gray%22%2C%22priority%22:-1}],x-mse-gray-tag=gray`,
        'x-mse-tag': 'gray',
        'service-lane': 'shop/gray',
      });
      const base = ((await ask(nginx.port, { path: '/base', headers: forged })) as Got).headers;
      for (const name of ['x-mse-tag', 'service-lane', 'dubbo.tag', 'n-d-version', 'baggage']) expect(base).not.toHaveProperty(name);
      expect(gray).not.toHaveProperty('dubbo.tag');
    } finally {
      await nginx.stop();
    }
  });
});
