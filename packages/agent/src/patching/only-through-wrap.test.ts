/** Patching goes through `wrap`, which keeps what others see of a method and can be taken back. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { expect, test } from 'vitest';

const PACKAGES = join(__dirname, '../../..');

/** What puts something in the place of a method. */
const PATCHES = [
  // Of a class.
  /\.prototype[.[][\w.[\]']*\s=\s/,
  // Of an object: a function, to a member of something that is not our own `this`.
  /\b(?!this\b)\w+(\.\w+|\[[^\]]+\])\s=\s(async\s)?(function\b|\([^()]*\)(: [\w<>[\] ]+)? =>)/,
  /\b(Object|Reflect)\.(defineProperty|defineProperties|set|setPrototypeOf)\(/,
  /\bObject\.assign\(\w+\.prototype\b/,
];

/** Not patches, each for its reason. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'agent/src/boot/start.ts': ['Object.defineProperty(scope, AGENT'],
  'agent/src/patching/es-module-hook.ts': ['Object.defineProperty(globalThis, TOLD'],
  'agent/src/instrumentations/undici-in-node.ts': ['Object.defineProperty(scope, symbol'],
  // The admin server is our own; its events are nobody's request.
  'agent/src/observe/admin/admin-server.ts': ["Object.defineProperty(server, 'emit'"],
  // A worker of our own, that stands for the app's.
  'agent/src/instrumentations/async.ts': ['Object.defineProperty(worker, Symbol.toStringTag'],
  // What SDKs are given.
  'agent/src/instrumentations/grpc-client.ts': ["told['onReceiveStatus'] = "],
  // What a constructor assigns has no method to wrap before.
  'agent/src/instrumentations/caches.ts': ['Object.defineProperty(prototype, name', 'Object.defineProperty(this, name'],
  // Read once, and taken back: no method.
  'agent/src/outbound/http2/siblings.ts': ["Object.defineProperty(socket, 'remotePort'"],
  // A callback among the options of a call.
  'agent/src/patching/bindings.ts': ['Reflect.set(given, property'],
  // The trap of a Proxy.
  'agent/src/outbound/undici/handler.ts': ['Reflect.set(handler, name, value)'],
};

test('nothing is patched but through wrap', () => {
  const files = ['agent/src', 'nacos-registry/src/sdk'].flatMap((folder) =>
    readdirSync(join(PACKAGES, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map((file) => `${folder}/${file.split(sep).join('/')}`),
  );
  expect(files.length).toBeGreaterThan(50);
  const found = files.flatMap((file) =>
    readFileSync(join(PACKAGES, file), 'utf8')
      .split('\n')
      .filter((line) => !/^\s*(\/\/|\*)/.test(line) && PATCHES.some((pattern) => pattern.test(line)))
      .filter((line) => !(ALLOWED[file] ?? []).some((allowed) => line.includes(allowed)))
      .map((line) => `${file}: ${line.trim()}`),
  );
  expect(found).toEqual([]);
});
