import { ActionIcon, Box, Checkbox, Group, NumberInput, SegmentedControl, Select, Slider, Stack, Text, TextInput } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconTrash } from '@tabler/icons-react';
import type { EntryRule, RequestKey } from '@lane/core/rules';
import { useText } from '../language/index.js';
import { fieldId, useProblem } from '../parts/problems.js';
import { MatcherEditor, NEW_MATCHER } from './matcher-editor.js';

const KEYS = ['none', 'cookie', 'header', 'query', 'clientIp'] as const;

/** One entry rule in a form. */
export function RuleEditor(props: {
  readonly rule: EntryRule;
  readonly index: number;
  readonly count: number;
  onChange(rule: EntryRule): void;
  onRemove(): void;
  onMove(by: -1 | 1): void;
}) {
  const t = useText();
  const { rule, index, count, onChange } = props;
  const path = `/rules/${index}`;
  const own = useProblem(path);
  const nameError = useProblem(`${path}/name`);
  const { match: _match, ...withoutMatch } = rule;
  const { percent: _percent, by: _by, ...withoutPercent } = rule;
  const title = `${t.rule.title(index + 1)}${rule.name === '' ? '' : ` ${rule.name}`}`;
  return (
    <Stack component="fieldset" className="card" p="md" m={0} gap="md" id={fieldId(path)} tabIndex={-1} miw={0}>
      <legend className="visually-hidden">{title}</legend>
      <Group justify="space-between" align="flex-end" wrap="nowrap">
        <TextInput
          id={fieldId(`${path}/name`)}
          data-path={`${path}/name`}
          label={t.rule.name}
          value={rule.name}
          onChange={(event) => onChange({ ...rule, name: event.currentTarget.value })}
          error={nameError}
          required
          style={{ flex: '1 1 auto', maxWidth: 360 }}
          autoComplete="off"
        />
        <Group gap={4} wrap="nowrap">
          <ActionIcon variant="default" size="lg" disabled={index === 0} aria-label={`${t.moveUp}: ${title}`} onClick={() => props.onMove(-1)}>
            <IconArrowUp size={17} aria-hidden />
          </ActionIcon>
          <ActionIcon
            variant="default"
            size="lg"
            disabled={index === count - 1}
            aria-label={`${t.moveDown}: ${title}`}
            onClick={() => props.onMove(1)}
          >
            <IconArrowDown size={17} aria-hidden />
          </ActionIcon>
          <ActionIcon variant="default" size="lg" aria-label={`${t.remove}: ${title}`} onClick={props.onRemove}>
            <IconTrash size={17} aria-hidden />
          </ActionIcon>
        </Group>
      </Group>
      {own !== undefined && <Text c="var(--mantine-color-error)">{own}</Text>}
      <div>
        <SegmentedControl
          aria-label={t.rule.condition}
          data={[
            { value: 'some', label: t.rule.some },
            { value: 'everything', label: t.rule.everything },
          ]}
          value={rule.match === undefined ? 'everything' : 'some'}
          onChange={(value) => onChange(value === 'everything' ? withoutMatch : { ...rule, match: NEW_MATCHER })}
          mb="sm"
        />
        {rule.match !== undefined && <MatcherEditor matcher={rule.match} path={`${path}/match`} onChange={(match) => onChange({ ...rule, match })} />}
      </div>
      <div>
        <Checkbox
          label={t.rule.share}
          checked={rule.percent !== undefined}
          onChange={(event) => onChange(event.currentTarget.checked ? { ...rule, percent: 5 } : withoutPercent)}
        />
        {rule.percent !== undefined && <Share rule={rule} percent={rule.percent} path={path} onChange={onChange} />}
      </div>
    </Stack>
  );
}

function Share({
  rule,
  percent,
  path,
  onChange,
}: {
  readonly rule: EntryRule;
  readonly percent: number;
  readonly path: string;
  onChange(rule: EntryRule): void;
}) {
  const t = useText();
  const error = useProblem(`${path}/percent`);
  const { by, ...random } = rule;
  const key = by === undefined ? 'none' : (KEYS.find((one) => Object.hasOwn(by, one)) ?? 'none');
  const keyError = useProblem(`${path}/by`, true);
  return (
    <Stack gap="md" mt="sm" className="nested">
      <Group align="flex-start" gap="lg">
        <Box style={{ flex: '1 1 15rem', minWidth: 0 }} pt={8} pb={22} px={8}>
          <Slider
            value={percent}
            onChange={(value) => onChange({ ...rule, percent: value })}
            min={0}
            max={100}
            step={1}
            marks={[0, 25, 50, 75, 100].map((value) => ({ value, label: t.rule.words.percentOf(value) }))}
            label={(value) => t.rule.words.percentOf(value)}
            thumbLabel={t.rule.percent}
          />
        </Box>
        <NumberInput
          id={fieldId(`${path}/percent`)}
          data-path={`${path}/percent`}
          aria-label={t.rule.percent}
          value={percent}
          onChange={(value) => onChange({ ...rule, percent: typeof value === 'number' ? value : Number(value) || 0 })}
          min={0}
          max={100}
          step={1}
          decimalScale={2}
          suffix=" %"
          error={error}
          w={110}
        />
      </Group>
      <Group align="flex-start" gap="sm">
        <Select
          label={t.rule.sticky}
          description={t.rule.stickyHelp}
          inputWrapperOrder={['label', 'input', 'description', 'error']}
          data={KEYS.map((one) => ({ value: one, label: t.rule.keys[one] }))}
          value={key}
          onChange={(next) =>
            onChange(
              next === null || next === 'none' ? random : { ...rule, by: (next === 'clientIp' ? { clientIp: true } : { [next]: '' }) as RequestKey },
            )
          }
          allowDeselect={false}
          w={260}
        />
        {by !== undefined && key !== 'none' && key !== 'clientIp' && (
          <TextInput
            id={fieldId(`${path}/by/${key}`)}
            data-path={`${path}/by`}
            label={t.rule.keyName}
            value={by[key] ?? ''}
            onChange={(event) => onChange({ ...rule, by: { [key]: event.currentTarget.value } })}
            error={keyError}
            w={200}
            autoComplete="off"
          />
        )}
      </Group>
    </Stack>
  );
}
