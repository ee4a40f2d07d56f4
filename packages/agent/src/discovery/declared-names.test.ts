import { DEFAULT_FORMATS, ServiceTables, type Instance } from '@lane/core/model';
import { expect, test } from 'vitest';
import { createLog } from '../boot/log.js';
import { DeclaredNames } from './declared-names.js';

const PAY = { name: 'pay', group: 'DEFAULT_GROUP' };
const at = (port: number): Instance => ({ ip: '10.0.0.1', port, weight: 1, healthy: true, enabled: true, metadata: {} });

function declared(...options: ReadonlyArray<readonly [string, string, number?]>): {
  names: DeclaredNames;
  tables: ServiceTables;
  lines: string[];
  foundAt: (...ports: number[]) => number[];
} {
  const tables = new ServiceTables({ formats: DEFAULT_FORMATS });
  const lines: string[] = [];
  const names = new DeclaredNames(
    tables,
    PAY.group,
    options,
    { isExpected: false, coming: () => undefined },
    createLog('warn', false, (line) => lines.push(line)),
  );
  names.declare([]);
  return { names, tables, lines, foundAt: (...ports) => ports.filter((port) => names.find('pay', port) !== undefined) };
}

test('the ports of a name are those of its instances, and the default port', () => {
  const { names, tables, foundAt } = declared(['pay', 'pay']);
  // Nothing can be told apart yet.
  expect(foundAt(80, 443, 8080, 9090)).toEqual([80, 443, 8080, 9090]);
  tables.update(PAY, [at(8080), at(8081)]);
  expect(foundAt(80, 443, 8080, 8081, 9090, 5432)).toEqual([80, 443, 8080, 8081]);
  // A rolling change, and then none is left: calls to where they were must not lead out of the lane.
  tables.update(PAY, [at(9090)]);
  expect(foundAt(80, 8080, 9090)).toEqual([80, 9090]);
  tables.update(PAY, []);
  expect(foundAt(80, 8080, 9090)).toEqual([80, 9090]);
  expect(names.isInternal('pay')).toBe(true);
});

test('LANE_SERVICES adds ports, for its host only', () => {
  const { names, tables, foundAt } = declared(['pay', 'pay'], ['pay', 'pay', 8080], ['PAY.internal', 'pay', 8443]);
  tables.update(PAY, [at(3000)]);
  expect(foundAt(3000, 8080, 8443)).toEqual([3000, 8080]);
  expect([3000, 8080, 8443].map((port) => names.find('pay.internal', port))).toEqual([PAY, undefined, PAY]);
});

test('a port that is left to DNS is reported once, for a limited number of ports', () => {
  const { names, tables, lines } = declared(['pay', 'pay']);
  tables.update(PAY, [at(3000), at(3001), at(3002), at(3003)]);
  for (let i = 0; i < 3; i++) names.find('pay', 9090);
  expect(lines).toEqual([expect.stringContaining('pay:9090 go to DNS') as string]);
  expect(lines[0]).toContain('at 3000, 3001, 3002 and others. If it is the service, set LANE_SERVICES=pay:9090=pay');
  for (let port = 10_000; port < 11_000; port++) names.find('pay', port);
  expect(lines.length).toBe(100);
});
