/** What a registry must do for the agent, the gateway and the commands. Tests ours, and the example of a third-party one. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SILENT_LOG, type CreateRegistry, type Instance, type Registry, type ServiceKey } from '@lane/core/model';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos } from '@lane/nacos-registry';
import { Received } from '@lane/testing';
import { describe, expect, onTestFinished, test } from 'vitest';

interface Subject {
  readonly registry: Registry;
  /** Sets the instances of a service. */
  put(key: ServiceKey, ports: Readonly<Record<number, string | undefined>>): Promise<void>;
}

async function nacosOver(transport: 'http' | 'grpc' | 'auto'): Promise<Subject> {
  const nacos = await startEmbeddedNacos({ port: 0 });
  onTestFinished(() => nacos.close());
  const writer = connectNacos({ server: nacos.address, transport });
  const registered = new Map<string, Set<number>>();
  onTestFinished(() => writer.close());
  return {
    registry: connectNacos({ server: nacos.address, transport }),
    async put(key, ports) {
      const before = registered.get(key.name) ?? new Set();
      registered.set(key.name, new Set(Object.keys(ports).map(Number)));
      for (const [port, lane] of Object.entries(ports))
        await writer.register(key, { ip: '127.0.0.1', port: Number(port), metadata: lane === undefined ? {} : { lane } });
      for (const port of before) if (!(port in ports)) await writer.deregister(key, { ip: '127.0.0.1', port });
    },
  };
}

const SUBJECTS: Readonly<Record<string, () => Promise<Subject>>> = {
  'Nacos over HTTP': () => nacosOver('http'),
  'Nacos over gRPC': () => nacosOver('grpc'),
  'Nacos over what it speaks': () => nacosOver('auto'),
  async 'the example, from files'() {
    const folder = mkdtempSync(join(tmpdir(), 'lane-files-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const { createRegistry } = require('../../examples/registry-from-files/index.js') as { createRegistry: CreateRegistry };
    const before = process.env['FILES_REGISTRY'];
    process.env['FILES_REGISTRY'] = folder;
    const registry = createRegistry({ log: SILENT_LOG, holdProcess: false });
    if (before === undefined) delete process.env['FILES_REGISTRY'];
    else process.env['FILES_REGISTRY'] = before;
    return {
      registry,
      put({ name }, ports) {
        const instances = Object.entries(ports).map(([port, lane]) => ({
          ip: '127.0.0.1',
          port: Number(port),
          ...(lane === undefined ? {} : { metadata: { lane } }),
        }));
        // Atomically, as any writer of such files should.
        writeFileSync(join(folder, `${name}.tmp`), JSON.stringify(instances));
        renameSync(join(folder, `${name}.tmp`), join(folder, `${name}.json`));
        return Promise.resolve();
      },
    };
  },
};

const shown = (instances: readonly Instance[] | undefined): string[] =>
  (instances ?? []).map(({ port, metadata }) => `${port} ${metadata['lane'] ?? 'base'}`).toSorted();

describe.each(Object.entries(SUBJECTS))('%s', (_, start) => {
  const begin = async (): Promise<Subject & { readonly key: ServiceKey }> => {
    const subject = await start();
    onTestFinished(() => subject.registry.close());
    return { ...subject, key: { name: 'stock', group: subject.registry.defaultGroup } };
  };

  test('an observer gets the instances of a service at once, then at each change', async () => {
    const { registry, put, key } = await begin();
    await put(key, { 9001: undefined, 9002: 'gray' });
    const told = new Received<readonly Instance[] | undefined>();
    registry.observe(key, told.push);
    const instances = await told.until((latest) => shown(latest).length === 2);
    expect(instances).toContainEqual(expect.objectContaining({ ip: '127.0.0.1', port: 9002, weight: 1, healthy: true, enabled: true }));
    expect(shown(instances)).toEqual(['9001 base', '9002 gray']);
    await put(key, { 9002: 'gray' });
    expect(shown(await told.until((latest) => shown(latest).length === 1))).toEqual(['9002 gray']);
  });

  test('an observer is told that a service does not exist, and when it does', async () => {
    const { registry, put, key } = await begin();
    const told = new Received<readonly Instance[] | undefined>();
    registry.observe(key, told.push);
    expect(shown(await told.until(() => true))).toEqual([]);
    await put(key, { 9001: 'blue' });
    expect(shown(await told.until((latest) => shown(latest).length === 1))).toEqual(['9001 blue']);
  });

  test('an observer that has left is told nothing more, while others are', async () => {
    const { registry, put, key } = await begin();
    await put(key, { 9001: undefined });
    const [first, second] = [new Received<readonly Instance[] | undefined>(), new Received<readonly Instance[] | undefined>()];
    const leave = registry.observe(key, first.push);
    registry.observe(key, second.push);
    await Promise.all([first, second].map((each) => each.until((latest) => shown(latest).length === 1)));
    leave();
    leave();
    await put(key, { 9001: undefined, 9002: undefined });
    await second.until((latest) => shown(latest).length === 2);
    expect(shown(first.last)).toEqual(['9001 base']);
  });

  test('instances and services can be listed', async () => {
    const { registry, put, key } = await begin();
    await put(key, { 9001: undefined, 9002: 'gray' });
    await put({ ...key, name: 'pay' }, { 9003: undefined });
    expect(shown(await registry.list(key))).toEqual(['9001 base', '9002 gray']);
    expect(await registry.list({ ...key, name: 'nobody' })).toEqual([]);
    expect((await registry.services()).toSorted()).toEqual(['pay', 'stock']);
    expect(registry.state).toMatchObject({ reachable: true });
  });

  test('after close() no observer is told anything', async () => {
    const { registry, put, key } = await begin();
    await put(key, { 9001: undefined });
    const told = new Received<readonly Instance[] | undefined>();
    registry.observe(key, told.push);
    await told.until((latest) => shown(latest).length === 1);
    const count = told.all.length;
    await registry.close();
    await put(key, { 9002: undefined });
    // There is nothing to await.
    await delay(300);
    expect(told.all).toHaveLength(count);
  });
});
