import { describe, expect, test } from 'vitest';
import { LOG_LEVELS, type LogLevel } from '@lane/core/agent';
import { createLog } from './log.js';

function said(level: LogLevel, json: boolean, say: (log: ReturnType<typeof createLog>) => void): string[] {
  const lines: string[] = [];
  say(createLog(level, json, (line) => lines.push(line)));
  return lines;
}

describe('the log', () => {
  test.each(LOG_LEVELS.map((level, index) => [level, index] as const))('at level %s logs these lines', (level, lines) => {
    const all = said(level, false, (log) => (['error', 'warn', 'info', 'debug'] as const).forEach((name) => log[name](`at ${name}`)));
    expect(all).toEqual(LOG_LEVELS.slice(1, lines + 1).map((name) => `lane ${name}: at ${name}\n`));
  });

  test('puts fields after the message', () => {
    expect(said('info', false, (log) => log.info('started', { tag: 'gray', port: 80, hosts: ['a'] }))).toEqual([
      'lane info: started tag=gray port=80 hosts=["a"]\n',
    ]);
  });

  test('writes one line of text, whatever it contains', () => {
    expect(said('info', false, (log) => log.warn('a\nlane error: forged', { host: '\u001b[2J\u009b\u202e' }))).toEqual([
      'lane warn: a\\nlane error: forged host=\\u001b[2J\\u009b\\u202e\n',
    ]);
  });

  test('writes one JSON object per line', () => {
    const [line = ''] = said('info', true, (log) => log.warn('two\nlines', { tag: 'gray' }));
    expect(line).toMatch(/^[^\n]*\n$/);
    expect(JSON.parse(line)).toEqual({
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      level: 'warn',
      name: 'lane',
      pid: process.pid,
      message: 'two\nlines',
      tag: 'gray',
    });
  });

  test('logs each message once, and limits how many different ones', () => {
    const lines = said('warn', false, (log) => {
      for (let i = 0; i < 2000; i++) {
        log.once('same', 'warn', 'the same');
        log.once(`other ${i}`, 'warn', `another ${i}`);
      }
    });
    expect(lines.filter((line) => line.includes('the same'))).toHaveLength(1);
    expect(lines.length).toBeLessThan(1000);
  });

  test('survives a closed stderr', () => {
    const log = createLog('warn', false, () => {
      throw new Error('EPIPE');
    });
    expect(() => log.warn('nobody hears')).not.toThrow();
  });
});
