/** The option of every command that reads or writes tags: the formats listed, as the agents have them in LANE_FORMATS. */
import { InvalidArgumentError, Option } from 'commander';
import { DEFAULT_FORMATS, FORMAT_NAMES, type FormatName } from '@lane/core/model';

/** The formats, as given. */
export interface FormatsArguments {
  formats: readonly FormatName[];
}

/** `--formats`: of the command line, else of LANE_FORMATS, else baggage. `purpose` says what the command does with them. */
export function formatsOption(purpose = 'formats that the agents list: the tags of instances are read in them'): Option {
  return new Option('--formats <list>', `${purpose}; a comma list of ${FORMAT_NAMES.join(', ')}`)
    .env('LANE_FORMATS')
    .argParser(parseFormats)
    .default(DEFAULT_FORMATS, DEFAULT_FORMATS.join(','));
}

function parseFormats(text: string): readonly FormatName[] {
  // As the agent reads LANE_FORMATS, which is this option's default.
  const names = text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((name) => name !== '') as FormatName[];
  const wrong = names.find((name) => !FORMAT_NAMES.includes(name));
  if (wrong !== undefined || names.length === 0)
    throw new InvalidArgumentError(`${JSON.stringify(wrong ?? text)} is no format: accepted are ${FORMAT_NAMES.join(', ')}.`);
  return names;
}
