/** Text from registries and lane groups is printed as characters: it moves no cursor, and starts no line. */
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos } from '@lane/nacos-registry';
import { expect, onTestFinished, test } from 'vitest';
import { runLane } from '@lane/testing/programs';

const EVIL = 'a\u001b]0;owned\u0007\u001b[2J\u009b31m\u202eb\r';
// oxlint-disable-next-line no-control-regex -- forbidden characters
const RAW = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

const DOCUMENT = JSON.stringify({ version: 1, groups: [{ name: EVIL, services: [EVIL], lanes: [] }] });

test.each([
  // Such names are rejected, and the message contains them.
  ['status', 1, DOCUMENT, { NO_COLOR: '1' }],
  ['status', 1, DOCUMENT, { FORCE_COLOR: '1' }],
  ['group list', 1, DOCUMENT, { NO_COLOR: '1' }],
  ['group show', 0, DOCUMENT, { NO_COLOR: '1' }],
  ['group show --json', 0, DOCUMENT, { NO_COLOR: '1' }],
  // Unreadable text is shown as it is.
  ['group show', 0, `not a document: ${EVIL}`, { NO_COLOR: '1' }],
] as const)('lane %s ends with %i of %j with %j', async (command, exit, stored, env) => {
  const nacos = await startEmbeddedNacos({ port: 0 });
  onTestFinished(() => nacos.close());
  const connection = connectNacos({ server: nacos.address, holdProcess: true });
  onTestFinished(() => connection.close());
  // Somebody wrote it without our checks.
  await connection.publish('lane-groups', 'LANE', stored);
  const { code, stdout, stderr } = await runLane([...command.split(' '), '--nacos', nacos.address], { env });
  // Only the command's own styles.
  // oxlint-disable-next-line no-control-regex
  const plain = (stdout + stderr).replace(/\u001b\[(?:1|2|22|3[1-6]|39)m/g, '');
  expect(plain).not.toMatch(RAW);
  // The command ran, and reached the name.
  expect(code).toBe(exit);
  if (exit === 0) expect(stderr).toBe('');
  expect(plain).toMatch(/owned/);
});
