import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { LaneGroupsDocument, LaneRules } from '@lane/core/rules';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { createSnapshotStore, publishLaneGroups, watchLaneGroups, watchLaneGroupsFile, type LaneGroupsInfo } from '../dist/index.js';
import { closing, eventually, ManualClock, Received, RecordingLog, temporaryFolder } from '@lane/testing';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';

let nacos: EmbeddedNacos;
beforeAll(async () => {
  nacos = await startEmbeddedNacos({ port: 0 });
  return () => nacos.close();
});

let count = 0;
/** A connection to a namespace that no other test uses. */
function connect(): NacosConnection {
  return closing(connectNacos({ server: nacos.address, namespace: `lane-groups-${++count}` }));
}

function document(...tags: string[]): LaneGroupsDocument {
  return { version: 1, groups: [{ name: 'shop', services: ['a', 'b'], lanes: tags.map((tag) => ({ name: tag, tag })) }] };
}

interface Told {
  readonly rules: LaneRules | undefined;
  readonly info: LaneGroupsInfo;
}

function recording(): { told: Received<Told>; onRules: (rules: LaneRules | undefined, info: LaneGroupsInfo) => void; log: RecordingLog } {
  const told = new Received<Told>();
  return { told, onRules: (rules, info) => told.push({ rules, info }), log: new RecordingLog() };
}

const hasLane =
  (tag: string) =>
  ({ rules }: Told): boolean =>
    rules?.laneOf('a', tag) !== undefined;
const hasNone = ({ rules }: Told): boolean => rules === undefined;

describe('lane groups in Nacos', () => {
  test('are in force after every change, and none if there are none', async () => {
    const connection = connect();
    const { told, onRules, log } = recording();
    onTestFinished(watchLaneGroups(connection, { onRules, log, holdMs: 0 }));
    await told.until(hasNone);
    await publishLaneGroups(connection, document('gray'));
    await told.until(hasLane('gray'));
    await publishLaneGroups(connection, document('blue'));
    const { rules, info } = await told.until(hasLane('blue'));
    expect(rules?.laneOf('a', 'gray')).toBeUndefined();
    expect(info).toEqual({ origin: 'store', md5: (await connection.get('lane-groups', 'LANE'))?.md5 });
    await connection.remove('lane-groups', 'LANE');
    await told.until(hasNone);
    expect(log.lines).toEqual([]);
  });

  test('that are invalid leave the last good ones in force, and are reported once', async () => {
    const connection = connect();
    const { told, onRules, log } = recording();
    const refused = new Received<unknown>();
    onTestFinished(watchLaneGroups(connection, { onRules, log, onRefused: refused.push }));
    await publishLaneGroups(connection, document('gray'));
    await told.until(hasLane('gray'));

    const broken = '{"version":1,"groups":[{"name":"shop","services":"a","lanes":[{"name":"gray","tag":"not a tag"}]}]}';
    await connection.publish('lane-groups', 'LANE', broken);
    const line = await log.until(/is invalid/);
    expect(line).toMatch(
      /^error: the document lane-groups \(group LANE\) is invalid and ignored; the last valid one stays in force: \/groups\/0\/services: .*\/groups\/0\/lanes\/0\/tag: /,
    );
    expect(refused.all).toHaveLength(1);
    expect(told.last?.rules?.laneOf('a', 'gray')).toBeDefined();

    await connection.publish('lane-groups', 'LANE', 'no JSON at all');
    await refused.until(() => refused.all.length === 2);
    await publishLaneGroups(connection, document('blue'));
    await told.until(hasLane('blue'));
    expect(log.lines).toHaveLength(2);
  });

  test('that are gone stay in force for the hold: a server may have restarted with nothing', async () => {
    const connection = connect();
    const { told, onRules, log } = recording();
    const clock = new ManualClock();
    onTestFinished(watchLaneGroups(connection, { onRules, log, clock }));
    await told.until(hasNone);
    await publishLaneGroups(connection, document('gray'));
    await told.until(hasLane('gray'));
    await connection.remove('lane-groups', 'LANE');
    expect(await log.until(/is gone\./)).toMatch(/stay in force for 40 s.*publish a document without groups/);
    // Back in time: nothing happened.
    await publishLaneGroups(connection, document('blue'));
    await told.until(hasLane('blue'));
    clock.pass(100_000);
    await connection.remove('lane-groups', 'LANE');
    await eventually(() => expect(log.matching(/is gone\./)).toHaveLength(2));
    expect(told.all.filter(hasNone)).toHaveLength(1);
    clock.pass(40_000);
    await told.until(() => told.all.filter(hasNone).length === 2);
    expect(log.matching(/has not come back/)).toHaveLength(1);
  });

  test('without a group are removed at once with the document', async () => {
    const connection = connect();
    const { told, onRules, log } = recording();
    onTestFinished(watchLaneGroups(connection, { onRules, log, clock: new ManualClock() }));
    await publishLaneGroups(connection, { version: 1, groups: [] });
    await told.until(({ rules }) => rules !== undefined);
    await connection.remove('lane-groups', 'LANE');
    await told.until(() => hasNone(told.last as Told));
    expect(log.lines).toEqual([]);
  });

  test('are those of the last run until Nacos answers', async () => {
    const store = { directory: temporaryFolder(), namespace: 'public' };
    const snapshots = createSnapshotStore(store);
    const connection = connect();
    const first = recording();
    onTestFinished(watchLaneGroups(connection, { ...first, snapshots, holdMs: 0 }));
    await publishLaneGroups(connection, document('gray'));
    await first.told.until(hasLane('gray'));
    await snapshots.flush();

    const down = closing(connectNacos({ server: '127.0.0.1:1' }));
    const second = recording();
    onTestFinished(watchLaneGroups(down, { ...second, snapshots: createSnapshotStore(store) }));
    expect(second.told.all).toEqual([{ rules: expect.anything(), info: { origin: 'snapshot', md5: undefined } }]);

    // What was removed in the meantime is not brought back.
    await connection.remove('lane-groups', 'LANE');
    await first.told.until(hasNone);
    await snapshots.flush();
    const third = recording();
    onTestFinished(watchLaneGroups(down, { ...third, snapshots: createSnapshotStore(store) }));
    expect(third.told.all).toEqual([]);
  });
});

describe('publishing lane groups', () => {
  test('rejects invalid documents, naming the problems', async () => {
    const connection = connect();
    const refusal = { code: 'ELANE_INVALID_LANE_GROUPS', problems: [expect.objectContaining({ path: '/groups/0/lanes/0/tag' })] };
    await expect(publishLaneGroups(connection, document('not a tag'))).rejects.toMatchObject(refusal);
    await expect(publishLaneGroups(connection, 'no JSON')).rejects.toMatchObject({ code: 'ELANE_INVALID_LANE_GROUPS' });
    await expect(publishLaneGroups(connection, undefined)).rejects.toMatchObject({ code: 'ELANE_INVALID_LANE_GROUPS' });
    expect(await connection.get('lane-groups', 'LANE')).toBeUndefined();
  });

  test('refuses to overwrite what somebody else has changed', async () => {
    const connection = connect();
    await publishLaneGroups(connection, document('gray'), { casMd5: '' });
    const md5 = (await connection.get('lane-groups', 'LANE'))?.md5 ?? '';
    await publishLaneGroups(connection, document('blue'), { casMd5: md5 });
    await expect(publishLaneGroups(connection, document('red'), { casMd5: md5 })).rejects.toMatchObject({ code: 'ELANE_CONFLICT' });
  });
});

describe('lane groups in a file', () => {
  test('are in force at once and after every change, even if the file is replaced', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'lanes.json');
    writeFileSync(path, JSON.stringify(document('gray')));
    const { told, onRules, log } = recording();
    onTestFinished(watchLaneGroupsFile(path, { onRules, log }));
    expect(told.all).toEqual([{ rules: expect.anything(), info: { origin: 'file', md5: undefined } }]);

    writeFileSync(path, JSON.stringify(document('blue')));
    await told.until(hasLane('blue'));
    writeFileSync(`${path}.new`, JSON.stringify(document('red')));
    renameSync(`${path}.new`, path);
    await told.until(hasLane('red'));
    writeFileSync(path, '{');
    await log.until(/^error: the file .*lanes.json is invalid/);
    expect(told.last?.rules?.laneOf('a', 'red')).toBeDefined();
    rmSync(path);
    await told.until(hasNone);
  });

  test('that does not exist is reported, and used once it appears', async () => {
    const path = join(temporaryFolder(), 'lanes.json');
    const { told, onRules, log } = recording();
    onTestFinished(watchLaneGroupsFile(path, { onRules, log }));
    expect(told.all).toEqual([{ rules: undefined, info: expect.anything() }]);
    expect(log.lines).toEqual([expect.stringMatching(/^warn: there are no lane groups.*lanes.json.*LANE_RULES/)]);
    writeFileSync(path, JSON.stringify(document('gray')));
    await told.until(hasLane('gray'));
  });

  test('in a missing folder are found by polling', async () => {
    const folder = join(temporaryFolder(), 'later');
    const path = join(folder, 'lanes.json');
    const { told, onRules, log } = recording();
    onTestFinished(watchLaneGroupsFile(path, { onRules, log }));
    mkdirSync(folder);
    writeFileSync(path, JSON.stringify(document('gray')));
    await told.until(hasLane('gray'));
  });
});
