/** The option of every command that reads or writes tags: the formats listed, as the agents have them in LANE_FORMATS. */
import { InvalidArgumentError, Option } from 'commander';
import { DEFAULT_FORMATS, FORMATS_ACCEPTED, parseFormatNames, type FormatName } from '@lane/core/model';

/** The formats, as given. */
export interface FormatsArguments {
  formats: readonly FormatName[];
}

/** `--formats`: of the command line, else of LANE_FORMATS, else baggage. `purpose` says what the command does with them. */
export function formatsOption(purpose = 'formats that the agents list: the tags of instances are read in them'): Option {
  return new Option('--formats <list>', `${purpose}; a comma list of ${FORMATS_ACCEPTED}`)
    .env('LANE_FORMATS')
    .argParser(parseFormats)
    .default(DEFAULT_FORMATS, DEFAULT_FORMATS.join(','));
}

function parseFormats(text: string): readonly FormatName[] {
  // As the agent reads LANE_FORMATS, which is this option's default.
  const formats = parseFormatNames(text);
  if (formats !== undefined) return formats;
  const wrong = text.split(/[\s,]+/).find((name) => name !== '' && parseFormatNames(name) === undefined);
  throw new InvalidArgumentError(`${JSON.stringify(wrong ?? text)} is no format: accepted are ${FORMATS_ACCEPTED}.`);
}
