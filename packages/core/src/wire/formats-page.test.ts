/** The page of formats in the documents is written from their table: `npm run docs -- --write`. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Tag } from '../names/tag.js';
import { FORMAT_NAMES, formatOf } from './formats.js';

const SHOWN = { tag: 'gray' as Tag, group: 'shop', lane: undefined };
const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;

test('docs/reference/formats.md matches the table of formats', async () => {
  const carriers = FORMAT_NAMES.flatMap((name) =>
    formatOf(name).carriers.map(({ header, entry, onlyAttached, read, write }) => {
      const [usual, strict] = [write({ ...SHOWN, strict: false }), write({ ...SHOWN, strict: true })];
      const value = usual ?? strict;
      const notes = [
        ...(read === undefined ? ['goes along, and is not read'] : []),
        ...(usual === undefined && strict !== undefined ? ['with `fallback: none` only'] : []),
        ...(onlyAttached === true ? ['in messages and attachments of remote calls, not over plain HTTP; read everywhere'] : []),
      ];
      const place = entry === undefined ? code(header) : `${code(header)}, entry ${code(entry)}`;
      return `| ${code(name)} | ${place} | ${value === undefined ? '–' : code(value)} | ${notes.join('; ')} |`;
    }),
  );
  const metadata = FORMAT_NAMES.map((name) => {
    const { metadata: form, base } = formatOf(name);
    return `| ${code(name)} | ${code(form.key)} | ${base === undefined ? '–' : code(base)} | ${form.onlyWhereListed ? 'only where the format is listed' : 'always'} |`;
  });
  await expect(`# Formats on the wire

<!-- Written by \`npm run docs -- --write\` from the table of formats. -->

A *format* is how a tag is written into a request, and into the metadata of an instance. [\`LANE_FORMATS\`](options.md) lists those that are written, and
\`LANE_FORMATS_IN\` those that are read; the first of the list wins where two disagree. The default is \`baggage\`.

A tag is \`[A-Za-z0-9._-]{1,64}\`. Anything else counts as no tag, and is counted in the metrics.

## In requests

What the tag \`gray\` of lane group \`shop\` looks like. Headers of HTTP are shown; gRPC metadata and message headers have the same names.

| format | header | value | |
| --- | --- | --- | --- |
${carriers.join('\n')}

\`asm(HEADER)\` and \`header(HEADER)\` write the tag itself into a header of your choice.

The \`baggage\` header belongs to everybody: Lane adds or replaces its own entry, whose key is \`LANE_BAGGAGE_KEY\`, and passes the others through as they came.
Several \`baggage\` lines are all read, and one is written. Of a key that comes twice, the last counts.

Of another header that comes twice the first counts, also where a proxy has joined the two by a comma. A list of MSE and a map of Nepxion may be percent-encoded;
a map goes on as plain JSON. Where several lane groups have the tag, what is written of the group (\`service-lane\`, \`x-lane-space-id\`, \`dubbo.force.tag\`) is that of
the service called, if it is called by its name and in one of them, else that of the caller.

## In the registry

| format | key of the metadata | word for base | read |
| --- | --- | --- | --- |
${metadata.join('\n')}

An instance without any of these is base. The agent writes the key of each listed format when the app registers.
`).toMatchFileSnapshot(join(__dirname, '../../../../docs/reference/formats.md'));
});
