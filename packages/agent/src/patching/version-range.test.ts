import { expect, test } from 'vitest';
import { INSTRUMENTATIONS } from '../instrumentations/index.js';
import { packageOf } from './package-files.js';
import { isInRange } from './version-range.js';

test.each([
  ['2.x', ['2.0.0', '2.6.3', '2.99.0-beta'], ['1.9.9', '3.0.0', '20.0.0']],
  ['0.8', ['0.8.0', '0.8.17'], ['0.7.9', '0.9.0', '0.80.0', '1.0.0']],
  ['>=7', ['7.0.0', '10.1.0', '8.0.0-rc.1'], ['6.9.9', '0.7.0']],
  ['5 - 8', ['5.0.0', '6.1.2', '8.12.4', 'v8.0.0'], ['4.9.9', '9.0.0']],
  ['0.10 - 2', ['0.10.0', '0.11.4', '1.0.0', '2.3.1'], ['0.9.9', '3.0.0']],
  ['1.x || 3.1 - 3.2 || >=5.1.2', ['1.5.0', '3.1.0', '3.2.9', '5.1.2', '6.0.0'], ['2.0.0', '3.0.9', '3.3.0', '5.1.1']],
  ['1.2.3', ['1.2.3', '1.2.3+build'], ['1.2.2', '1.2.4']],
])('%s', (range, inside, outside) => {
  expect([...inside, ...outside].filter((version) => isInRange(version, range))).toEqual(inside);
});

test('nothing can be said of what is not a version', () => {
  for (const version of ['', 'latest', '8', 'workspace:*']) expect(isInRange(version, '>=7')).toBeUndefined();
});

test('an invalid range throws an error that says what is valid', () => {
  for (const range of ['', '^2.0.0', '>= 7', '5 to 8', 'x', '1.x ||', '5-8', '>=1 - 2']) {
    expect(() => isInRange('2.0.0', range), range).toThrow(/is not a version range: must be 2\.x/);
  }
});

test('each package of which files are patched has a range that can be read', () => {
  for (const { files = [], modules = {}, versions } of Object.values(INSTRUMENTATIONS)) {
    for (const range of Object.values(versions)) expect(() => isInRange('1.0.0', range)).not.toThrow();
    for (const file of [...files, ...Object.keys(modules)]) {
      expect(versions).toHaveProperty([packageOf(file)]);
    }
  }
});
