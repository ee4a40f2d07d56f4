/**
 * How the instances of each service tell their tag: one way for whoever looks at instances, be it the agent, the gateway, a command or the
 * console. It goes by the service, as lane groups give labels to the services of their own only, so that nobody reads a tag by metadata alone.
 */
import type { PolarisLabel, WireRules } from '../rules/types.js';
import { instanceTagReader, type FormatName, type InstanceTagReader } from '../wire/formats.js';
import type { Instance } from './instance.js';
import type { Tag } from '../names/tag.js';

/** Reads the tags of instances in the formats listed, and by the labels of the lane groups in force. */
export class InstanceTags {
  readonly #formats: readonly FormatName[];
  readonly #plain: InstanceTagReader;
  /** By the labels that lane groups give to services. */
  #labelled = new Map<readonly PolarisLabel[], InstanceTagReader>();
  #rules: Pick<WireRules, 'polarisLabelsOf'> | undefined;

  /** `formats` are all that are listed, written or read; `rules` undefined: no lane groups are known. */
  constructor(formats: readonly FormatName[], rules: Pick<WireRules, 'polarisLabelsOf'> | undefined) {
    this.#formats = formats;
    this.#plain = instanceTagReader(formats);
    this.#rules = rules;
  }

  /** Puts other lane groups in force. */
  setRules(rules: Pick<WireRules, 'polarisLabelsOf'> | undefined): void {
    if (rules === this.#rules) return;
    this.#labelled = new Map();
    this.#rules = rules;
  }

  /** The reader for a service: the same one as long as it reads the same, so that tags which are kept need be read anew only for another. */
  readerOf(service: string): InstanceTagReader {
    const labels = this.#rules?.polarisLabelsOf(service);
    if (labels === undefined || labels.length === 0) return this.#plain;
    let reader = this.#labelled.get(labels);
    if (reader === undefined) this.#labelled.set(labels, (reader = instanceTagReader(this.#formats, labels)));
    return reader;
  }

  /** The tag of an instance of a service; undefined: base. */
  tagOf(service: string, { metadata }: Pick<Instance, 'metadata'>): Tag | undefined {
    return this.readerOf(service)(metadata);
  }
}
