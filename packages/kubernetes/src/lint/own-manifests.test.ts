/** Our own manifests, those of the example among them, pass our own lint. The chart's templates are linted as rendered (test/interop/kubernetes). */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { lint, type SourceText } from './index.js';

const ROOT = join(__dirname, '../../../..');

const read = (folder: string): SourceText[] =>
  readdirSync(join(ROOT, folder))
    .filter((file) => /\.(?:ya?ml|sh|md)$/.test(file))
    .map((file) => ({ file: `${folder}/${file}`, text: readFileSync(join(ROOT, folder, file), 'utf8') }));

describe('our own manifests', () => {
  test.each([
    ['the example of the scenario', ['examples/kubernetes'], 12],
    ['the kustomize base', ['packages/kubernetes/kustomize/base', 'packages/kubernetes/kustomize/gateway'], 19],
  ])('%s: no findings', (_, folders, atLeast) => {
    const { findings, resources } = lint(folders.flatMap(read));
    expect(findings).toEqual([]);
    expect(resources).toBeGreaterThanOrEqual(atLeast);
  });

  test("the scenario's mistakes would be found in the example", () => {
    const broken = read('examples/kubernetes').map(({ file, text }) => ({
      file,
      text: file.endsWith('/ingress.yaml')
        ? text.replace('spring-cloud-a-base', 'spring-clud-a-base').replace('spring-cloud-a-gray', 'spring-clud-a-base-gray')
        : text.replace('Host: www.aliyundoc.com', 'Host: aliyundoc.base.com'),
    }));
    expect(lint(broken).findings.map(({ rule, reference, nearest }) => `${rule} ${reference} -> ${nearest}`)).toEqual([
      'ingress-backend spring-clud-a-base -> spring-cloud-a-base',
      'ingress-backend spring-clud-a-base-gray -> spring-cloud-a-gray',
      'request-host aliyundoc.base.com -> www.aliyundoc.com',
    ]);
  });
});
