/** `lane lint` as people and pipelines call it: what it reads, what it prints, and how it ends. The rules are tried in @lane/kubernetes. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Result } from '@lane/testing';
import { runLane } from '@lane/testing/programs';

const SCENARIO = join(__dirname, '../../../kubernetes/src/lint/testing/scenario');
const GOOD = 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: good }\ndata: { a: "1" }\n';
const REFUSED = GOOD.replace('"1"', '1');
const WARNED = 'apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: { name: old }\n';

const lint = (args: readonly string[], { cwd = tmpdir(), input = '' } = {}): Promise<Result> => runLane(['lint', ...args], { cwd, input });

function folder(files: Readonly<Record<string, string>>): string {
  const made = mkdtempSync(join(tmpdir(), 'lane-lint-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(made, file, '..'), { recursive: true });
    writeFileSync(join(made, file), text);
  }
  return made;
}

describe('the scenario', () => {
  test('its three mistakes are printed with file, line and the nearest right name, and the exit code says so', async () => {
    const { code, stdout } = await lint(['.'], { cwd: SCENARIO });
    expect(code).toBe(1);
    expect(stdout).toContain(
      'gray-ingress.yaml:15:19: error: Ingress cafe-ingress: there is no Service spring-clud-a-base: did you mean spring-cloud-a-base? [ingress-backend]',
    );
    expect(stdout).toContain(
      'gray-ingress.yaml:25:19: error: Ingress cafe-ingress: there is no Service spring-clud-a-base-gray: did you mean spring-cloud-a-gray? [ingress-backend]',
    );
    expect(stdout).toContain(
      'verify.sh:2:14: error: no Ingress rule has the host aliyundoc.base.com: did you mean www.aliyundoc.com? [request-host]',
    );
    expect(stdout).toMatch(/\n12 resources in 5 files: 4 errors, 5 warnings\n$/);
  });

  test('the same as JSON and as SARIF', async () => {
    const [json, sarif] = await Promise.all([lint(['.', '--json'], { cwd: SCENARIO }), lint(['.', '--format', 'sarif'], { cwd: SCENARIO })]);
    expect([json.code, sarif.code]).toEqual([1, 1]);
    const report = JSON.parse(json.stdout) as { findings: unknown[]; counts: unknown };
    expect(report.counts).toEqual({ error: 4, warning: 5, note: 0 });
    expect(report.findings).toContainEqual({
      rule: 'ingress-backend',
      severity: 'error',
      file: 'gray-ingress.yaml',
      line: 25,
      column: 19,
      resource: 'Ingress cafe-ingress',
      reference: 'spring-clud-a-base-gray',
      nearest: 'spring-cloud-a-gray',
      message: 'there is no Service spring-clud-a-base-gray: did you mean spring-cloud-a-gray?',
    });
    const { version, runs } = JSON.parse(sarif.stdout) as { version: string; runs: [{ results: unknown[] }] };
    expect([version, runs[0].results.length]).toEqual(['2.1.0', 9]);
  });
});

describe('exit codes', () => {
  test('0 for nothing, for warnings and for notes; 1 for errors, and with --strict for warnings', async () => {
    const cwd = folder({ 'good.yaml': GOOD, 'refused.yaml': REFUSED, 'warned.yaml': WARNED });
    const codes = await Promise.all(
      [['good.yaml'], ['warned.yaml'], ['refused.yaml'], ['warned.yaml', '--strict'], ['good.yaml', '--strict']].map(
        async (args) => (await lint(args, { cwd })).code,
      ),
    );
    expect(codes).toEqual([0, 0, 1, 1, 0]);
  });

  test.each([
    ['no file', [], /name the manifests/],
    ['a file that is not there', ['missing.yaml'], /missing\.yaml can't be read/],
    ['a folder with nothing to lint, which is no pass', ['.'], /nothing to lint in \./],
    ['a rule that is not there', ['--disable', 'quotes', '.'], /no rule quotes.*--rules/],
  ])('2 for %s, with what to do', async (_, args, said) => {
    const { code, stderr } = await lint(args, { cwd: folder({ 'node_modules/a.yaml': GOOD, '.github/b.yaml': GOOD, 'c.txt': '' }) });
    expect([code, stderr]).toEqual([2, expect.stringMatching(said)]);
  });
});

describe('what is read', () => {
  test('standard input', async () => {
    const { code, stdout } = await lint(['-'], { input: REFUSED });
    expect([code, stdout]).toEqual([
      1,
      expect.stringContaining('-:4:12: error: ConfigMap good: a must be a string, and 1 is a number: write "1" [value-quotes]'),
    ]);
  });

  test('folders with all below, and several arguments, which are linted together', async () => {
    const cwd = folder({ 'a/b/good.yaml': GOOD, 'a/list.json': JSON.stringify({ apiVersion: 'v1', kind: 'Namespace' }), 'c.yml': WARNED });
    expect((await lint(['a', 'c.yml'], { cwd })).stdout).toMatch(/3 resources in 3 files: 1 warning\n$/);
  });

  test('hosts of requests from the command line', async () => {
    const { code, stdout } = await lint(['.', '--request', 'www.aliyundoc.org', '--disable', 'ingress-backend,probe-port,deprecated-api'], {
      cwd: SCENARIO,
    });
    expect(code).toBe(1);
    expect(stdout).toContain('--request: error: no Ingress rule has the host www.aliyundoc.org: did you mean www.aliyundoc.com? [request-host]');
  });
});

test('comments switch rules off, and --rules lists them', async () => {
  const cwd = folder({ 'a.yaml': `# lane-lint-disable-file value-quotes\n${REFUSED}` });
  expect((await lint(['a.yaml'], { cwd })).code).toBe(0);
  const rules = JSON.parse((await lint(['--rules', '--json'])).stdout) as Array<{ name: string }>;
  expect(rules.map(({ name }) => name)).toContain('value-quotes');
});
