/**
 * Compares how Lane and OpenTelemetry in JavaScript, Java, Python and Go read and write `baggage`: thousands of headers through each, and
 * what each writes through all again. Peers read differently. An entry that any of them takes for ours must be ours to Lane too, or a stranger's tag
 * would pass an entry gateway unseen and appear behind the next service. SECURITY.md has the rules, "Baggage between languages".
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { isTag, MAX_BAGGAGE_BYTES, mergeBaggageEntry, readBaggageEntry, removeBaggageEntry } from '@lane/core/model';
import { generatedHeaders, NASTY_HEADERS } from './headers.js';
import { startPeers, type Peer, type Reading } from './peers.js';

/** Another seed generates other headers. */
const SEED = Number(process.env['LANE_TEST_SEED'] ?? 20_261_128);
const GENERATED = 8_000;
/** How many entries OpenTelemetry reads in Java and Go. */
const FEWEST_ENTRIES = 64;
/** How many characters an entry may have in JavaScript and Python. */
const LONGEST_ENTRY = 4096;

/** The rows of the table in SECURITY.md: a header, and what each peer and Lane read. */
const table = [...readFileSync(join(__dirname, '../../../SECURITY.md'), 'utf8').matchAll(/^\| `([^|]*)` \|((?: (?:–|`[^|`]*`|``) \|){5})$/gm)].map(
  ([, header, cells]) => [header as string, (cells as string).split('|').slice(0, 5).map(cellText)] as const,
);

function cellText(cell: string): string | undefined {
  const text = cell.slice(1, -1);
  return text === '–' ? undefined : text.slice(1, -1);
}

const headers = [...new Set([...table.map(([header]) => header), ...NASTY_HEADERS, ...generatedHeaders(GENERATED, SEED)])];
const without = (header: string): string => removeBaggageEntry(header, 'lane') ?? '';
const withGray = (header: string): string => mergeBaggageEntry(header, 'lane', 'lane=gray');

let peers: ReadonlyMap<string, Peer>;
const readings = new Map<string, Map<string, Reading>>();

/** Lets all peers read the headers that they have not read yet: one process per peer, because starting Java is slow. */
function readAll(wanted: Iterable<string>): void {
  const list = [...new Set(wanted)];
  for (const [language, read] of peers) {
    const known = readings.get(language) ?? new Map<string, Reading>();
    readings.set(language, known);
    const fresh = list.filter((header) => !known.has(header));
    if (fresh.length > 0) read(fresh).forEach((reading, i) => known.set(fresh[i] as string, reading));
  }
}

function reading(language: string, header: string): Reading {
  const found = readings.get(language)?.get(header);
  if (found === undefined) throw new Error(`${language} was not asked for ${JSON.stringify(header)}`);
  return found;
}

/** What all peers write for these headers. */
const writtenFor = (list: readonly string[]): string[] =>
  [...peers.keys()].flatMap((language) => list.map((header) => reading(language, header).written));

/** Members of a header that Lane takes for ours. */
const oursIn = (header: string): string[] => header.split(',').filter((member) => readBaggageEntry(member, 'lane') !== undefined);

/** Members that Lane removes without reading them: they become ours behind peers that are not tested here (Rust, PHP, Ruby, Erlang, C++). */
const takenOutIn = (header: string): string[] =>
  header.split(',').filter((member) => member.trim() !== '' && readBaggageEntry(member, 'lane') === undefined && without(member) === '');

const othersIn = (header: string): string =>
  header
    .split(',')
    .filter((member) => readBaggageEntry(member, 'lane') === undefined && !takenOutIn(member).includes(member))
    .join(',');

const isPlain = (member: string): boolean => /^[ \t]*lane[ \t]*=/.test(member);

/** The member whose value Lane uses. */
const chosenOf = (header: string): string => (oursIn(header).findLast(isPlain) ?? oursIn(header).at(-1)) as string;

/** The key of a member as spelled, with a value that nobody rejects. */
const spellingOf = (member: string): string => `${member.slice(0, member.indexOf('='))}=gray`;

const spellings = [...new Set(headers.flatMap(oursIn).map(spellingOf))];

beforeAll(async () => {
  peers = await startPeers();
  readAll([...headers, ...headers.map(without), ...headers.map(withGray), ...headers.map(othersIn), ...headers.flatMap(oursIn), ...spellings]);
  // Services call services: the next one reads what one has written.
  readAll(writtenFor([...headers.map(without), ...headers.map(withGray), ...spellings]));
  readAll(writtenFor(writtenFor([...headers.map(without), ...spellings])));
});

/** The first headers that fail a check, by peer: a failing test prints them. */
function wrong(check: (header: string, language: string) => string | undefined): string[] {
  const found: string[] = [];
  for (const language of peers.keys()) {
    const before = found.length;
    for (const header of headers) {
      const what = check(header, language);
      if (what !== undefined && found.length < before + 5) found.push(`${language}: ${JSON.stringify(header.slice(0, 200))}: ${what}`);
    }
  }
  return found;
}

/** Whether some peer reads our key, or a peer that gets its output, or one behind that. */
function isReadByAny(header: string): boolean {
  let hops = [header];
  for (let hop = 0; hop < 3; hop++) {
    if (hops.some((one) => [...peers.keys()].some((language) => reading(language, one).entries.has('lane')))) return true;
    if (hop < 2) hops = writtenFor(hops);
  }
  return false;
}

/** The other entries that a peer has read, in order. */
const entriesOf = ({ entries }: Reading): string =>
  JSON.stringify([...entries].filter(([key]) => key !== 'lane').sort(([a], [b]) => (a < b ? -1 : 1)));

/** A value without the properties that Python leaves in it. */
const valueIn = ({ entries }: Reading): string | undefined => entries.get('lane')?.split(';')[0]?.trim();

test('each peer answers, and reads the plain case', () => {
  expect([...readings.keys()]).toEqual(['JavaScript', 'Java', 'Python', 'Go']);
  expect(headers.length).toBeGreaterThan(5_000);
  for (const language of readings.keys()) {
    expect(Object.fromEntries(reading(language, 'user=42,lane=gray').entries)).toEqual({ user: '42', lane: 'gray' });
  }
});

test('the table in SECURITY.md shows what each peer reads', () => {
  expect(table.length).toBeGreaterThan(10);
  for (const [header, told] of table) {
    const read = [...readings.keys()].map((language) => reading(language, header).entries.get('lane'));
    expect([...read, readBaggageEntry(header, 'lane')], header).toEqual(told);
  }
});

describe('(a) what a peer reads as ours', () => {
  test('is also read by Lane', () => {
    expect(
      wrong((header, language) =>
        reading(language, header).entries.has('lane') && readBaggageEntry(header, 'lane') === undefined ? 'unseen' : undefined,
      ),
    ).toEqual([]);
  });

  test('is gone once Lane has removed it, and reappears in none of the next two services, whatever their languages', () => {
    expect(headers.filter((header) => isReadByAny(without(header)))).toEqual([]);
  });

  test('is all that Lane reads: any spelling that it takes for ours is ours to some peer or to one behind it, or our key among blanks', () => {
    const bytesOf = (spelling: string): string => spelling.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
    const amongBlanks = (spelling: string): boolean => bytesOf(spelling).replaceAll(/[\0- ;+\x7f-\xff]/g, '') === 'lane=gray';
    expect(spellings.length).toBeGreaterThan(100);
    expect(spellings.filter((spelling) => !isReadByAny(spelling) && !amongBlanks(spelling))).toEqual([]);
  });

  test('is all that Lane removes: any removed member is our key once it is decoded and stripped of blanks, or follows a semicolon', () => {
    const decoded = (text: string): string => {
      const once = text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
      return once === text ? text : decoded(once);
    };
    const bare = (member: string): string => decoded(member).replaceAll(/[\0- +\x7f-\xff]/g, '');
    const taken = [...new Set(headers.flatMap(takenOutIn))];
    expect(taken.length).toBeGreaterThan(3);
    expect(taken.filter((member) => !/^;*lane;*=/.test(bare(member)) && !/;.*,;*lane;*=/.test(bare(member)))).toEqual([]);
  });

  test('is the same tag to Lane, unless the peer does not read the member that Lane uses, or reads other spellings besides a plain one', () => {
    expect(
      wrong((header, language) => {
        const theirs = valueIn(reading(language, header));
        const ours = readBaggageEntry(header, 'lane');
        if (!isTag(theirs) || theirs === ours) return undefined;
        const members = oursIn(header);
        const chosen = chosenOf(header);
        if (reading(language, chosen).entries.get('lane') === undefined) return undefined;
        if (isPlain(chosen) && members.some((member) => !isPlain(member))) return undefined;
        // Java drops a truncated escape.
        if (language === 'Java' && /%[0-9A-Fa-f]?[ \t]*(?:;|$)/.test(chosen)) return undefined;
        if (header.length > LONGEST_ENTRY || header.split(',').length > FEWEST_ENTRIES) return undefined;
        return `${theirs}, not ${ours}`;
      }),
    ).toEqual([]);
  });
});

describe('(b) what Lane writes', () => {
  test('is read by each peer as Lane wrote it, however many other entries there are', () => {
    expect(
      wrong((header, language) => {
        const merged = withGray(header);
        if (merged.length > MAX_BAGGAGE_BYTES && language !== 'JavaScript') return undefined;
        const { entries } = reading(language, merged);
        return entries.get('lane') === 'gray' ? undefined : String(entries.get('lane'));
      }),
    ).toEqual([]);
  });

  test('leaves all other entries as each peer read them', () => {
    expect(
      wrong((header, language) => {
        if (withGray(header).length > MAX_BAGGAGE_BYTES || header.split(',').length >= FEWEST_ENTRIES) return undefined;
        const [before, after] = [entriesOf(reading(language, othersIn(header))), entriesOf(reading(language, withGray(header)))];
        return before === after ? undefined : `${before} became ${after}`;
      }),
    ).toEqual([]);
  });

  test('comes out of each peer, and out of a second one behind it', () => {
    expect(
      wrong((header, language) => {
        if (withGray(header).length > LONGEST_ENTRY || header.split(',').length >= FEWEST_ENTRIES) return undefined;
        const lost = [...peers.keys()].find((first) => reading(language, reading(first, withGray(header)).written).entries.get('lane') !== 'gray');
        return lost === undefined ? undefined : `lost behind ${lost}`;
      }),
    ).toEqual([]);
  });
});

describe('(c) what a peer forwards', () => {
  test('has the same tag for Lane as the peer read, and none if the peer read none', () => {
    expect(
      wrong((header, language) => {
        const read = reading(language, header);
        const theirs = valueIn(read);
        const ours = readBaggageEntry(read.written, 'lane');
        if (theirs !== undefined) return !isTag(theirs) || ours === theirs ? undefined : `Lane reads ${ours}, not ${theirs}`;
        return ours === undefined || oursIn(header).length > 0 ? undefined : `Lane reads ${ours}`;
      }),
    ).toEqual([]);
  });
});
