/** The option `--formats` of every command that reads or writes tags, the same list as the agents' LANE_FORMATS. */
import { InvalidArgumentError, Option } from 'commander';
import { DEFAULT_FORMATS, FORMATS_ACCEPTED, parseFormatNames, type FormatName } from '@lane/core/model';

/** The formats, as given. */
export interface FormatsArguments {
  formats: readonly FormatName[];
}

/** `--formats`: from the command line, else LANE_FORMATS, else baggage. `purpose` is its help text. */
export function formatsOption(purpose = 'formats in which the tags of instances are read: those that the agents list'): Option {
  return new Option('--formats <list>', `${purpose}; a comma-separated list of ${FORMATS_ACCEPTED}`)
    .env('LANE_FORMATS')
    .argParser(parseFormats)
    .default(DEFAULT_FORMATS, DEFAULT_FORMATS.join(','));
}

function parseFormats(text: string): readonly FormatName[] {
  // The agent's own parser, because LANE_FORMATS is this option's default.
  const formats = parseFormatNames(text);
  if (formats !== undefined) return formats;
  const wrong = text.split(/[\s,]+/).find((name) => name !== '' && parseFormatNames(name) === undefined);
  throw new InvalidArgumentError(`${JSON.stringify(wrong ?? text)} is not a format: must be one of ${FORMATS_ACCEPTED}.`);
}
