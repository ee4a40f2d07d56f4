import { describe, expect, test } from 'vitest';
import { InvalidOptionError, lane, type LaneOptions } from './index.js';

describe('options', () => {
  test.each<[options: unknown, option: string, said: string[]]>([
    [{ service: '' }, 'service', ['""', 'the name of a service']],
    [{ service: 42 }, 'service', ['42']],
    [{ tag: 'gr ay' }, 'tag', ['"gr ay"', '1 to 64 characters']],
    [{ tag: 'x'.repeat(65) }, 'tag', ['1 to 64 characters']],
    [{ tag: 'x'.repeat(500) }, 'tag', ['xxx…']],
    [{ stamp: 'true', tag: 'gray' }, 'stamp', ['"true"', 'true or false']],
    [{ stamp: true }, 'stamp', ['unless tag is set']],
    [{ formats: ['mes'] }, 'formats', ['["mes"]', 'baggage, mse, polaris']],
    [{ formats: [] }, 'formats', ['[]']],
    [{ formats: 'mse' }, 'formats', ['"mse"']],
    [{ formatsIn: ['mse', 'x'] }, 'formatsIn', ['["mse","x"]']],
    [{ baggageKey: 'a b' }, 'baggageKey', ['"a b"', 'letters, digits']],
    [{ baggageKey: '' }, 'baggageKey', ['""']],
    [{ trust: 'some' }, 'trust', ['"some"', "'all', 'none', or a list of networks"]],
    [{ trust: ['10.0.0.0/33'] }, 'trust', ['["10.0.0.0/33"]']],
    [{ trust: ['localhost'] }, 'trust', ['["localhost"]']],
    [{ trust: [] }, 'trust', ['[]', "'none'"]],
    [{ log: {} }, 'log', ['error, warn, info and debug']],
    [{ log: 'warn' }, 'log', ['"warn"']],
    [{ service: 'a', rules: '{"version":1,"groups":[]}' }, 'rules', ['a lane-groups document']],
    [{ service: 'a', rules: { version: 2, groups: [] } }, 'rules', ['/version', '2']],
    [
      { service: 'a', rules: { version: 1, groups: [{ name: 'shop', services: ['a'], lanes: [{ name: 'x', tag: 'gr ay' }] }] } },
      'rules',
      ['/groups/0/lanes/0/tag', '"gr ay"'],
    ],
    [{ rules: { version: 1, groups: [] } }, 'service', ['which of the rules apply']],
    [{ servce: 'a' }, 'servce', ['"a"', 'service, tag, stamp']],
    [{ constructor: 'a' }, 'constructor', ['service, tag, stamp']],
    [null, 'options', ['the argument null of lane() is not valid: must be an object of options']],
    [[], 'options', ['the argument [] of lane() is not valid: must be an object of options']],
    ['mse', 'options', ['the argument "mse" of lane() is not valid: must be an object of options']],
  ])('%j is rejected at once, by name', (options, option, said) => {
    let thrown: unknown;
    try {
      lane(options as LaneOptions);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(InvalidOptionError);
    expect(thrown).toMatchObject({ code: 'ELANE_INVALID_OPTION', option });
    for (const text of [`ELANE_INVALID_OPTION: ${option === 'options' ? 'the argument' : `option ${option}`}`, ...said])
      expect((thrown as Error).message).toContain(text);
  });

  test.each<LaneOptions | undefined>([
    undefined,
    {},
    { service: undefined, rules: undefined, trust: undefined },
    { tag: 'x'.repeat(64), stamp: true },
    { stamp: false },
    { formats: ['baggage', 'mse'], formatsIn: ['nepxion'], baggageKey: 'x-lane!' },
    { trust: ['10.0.0.0/8', '::1', '192.168.1.1'] },
    { service: 'a', rules: { version: 1, groups: [] } },
    { service: 'a', rules: () => undefined },
    { log: console },
  ])('%j is accepted', (options) => {
    expect(lane(options)).toBeInstanceOf(Function);
  });
});
