/** The documents show the demo's actual output. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { pieces, ROOT, textOf } from '../../docs/site/documents.cjs';

const LANE = join(ROOT, 'packages/cli/dist/main.js');

/** Ports, counts and the number of progress lines differ each time. */
const comparable = (lines: readonly string[]): string[] =>
  lines
    .map((line) => line.trim().replace(/\d+/g, 'N'))
    .filter((line) => line !== '' && !/^N of N registered$/.test(line) && !line.startsWith('$ npm'))
    // With fewer processes than in the documents it uses less memory.
    .map((line) => line.replace(/^starting N processes .*/, 'starting'));

function shownIn(path: string): string[] {
  const block = [...pieces(textOf(path))].find((piece) => piece.kind === 'block' && piece.text.includes('$ npm run demo\n'))?.text ?? '';
  const lines = block.split('\n');
  return comparable(lines.slice(0, lines.findIndex((line) => line.includes('Ctrl-C ends everything.')) + 1));
}

test('README, its translation and the page of the demo show what the demo prints', async () => {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LANE_')));
  const demo = spawn(process.execPath, [LANE, 'demo', '--ports', 'auto', '--replicas', '1'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(demo, 'exit');
  let printed = '';
  const answers: string[] = [];
  try {
    const ready = new Promise<void>((resolve) => {
      demo.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        printed += chunk;
        if (printed.includes('Ctrl-C ends everything.')) resolve();
      });
    });
    await Promise.race([ready, exited]);
    expect(demo.exitCode, printed).toBeNull();
    const [, url = ''] = /gateway on (\S+)/.exec(printed) ?? [];
    for (const host of ['www.aliyundoc.com', 'www.example.com']) {
      const request = http.get(`${url}/a`, { headers: { host } });
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      answers.push(comparable([await text(response)])[0] as string);
    }
  } finally {
    demo.kill('SIGINT');
    await exited;
  }
  const lines = comparable(printed.split('\n'));
  expect(lines.length).toBeGreaterThan(8);
  for (const path of ['README.md', 'README.zh-CN.md', 'docs/demo.md']) {
    expect(shownIn(path), path).toEqual(lines);
    for (const answer of answers) expect(textOf(path).replace(/\d+/g, 'N'), path).toContain(answer);
  }
});
