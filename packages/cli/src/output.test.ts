import { expect, test } from 'vitest';
import { printForProgram } from './output.js';

test('what is for a program is written as it is, and at a terminal as characters', () => {
  const text = 'set $x "\u202e\u009b31m";\n\tnext\n';
  const written: string[] = [];
  printForProgram(text, { write: (part: string) => written.push(part) });
  printForProgram(text, { isTTY: true, write: (part: string) => written.push(part) });
  expect(written).toEqual([text, 'set $x "\\u202e\\u009b31m";\n\tnext\n']);
});
