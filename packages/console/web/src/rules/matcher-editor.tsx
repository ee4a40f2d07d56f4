/** Edits conditions in a form. It edits the condition itself, as it is in the document. */
import { ActionIcon, Button, Group, Select, Stack, TagsInput, TextInput } from '@mantine/core';
import { IconPlus, IconX } from '@tabler/icons-react';
import type { Matcher, StringMatch } from '@lane/core/rules';
import { useText } from '../language/index.js';
import { fieldId, useProblem } from '../parts/problems.js';

const KINDS = ['host', 'path', 'method', 'header', 'cookie', 'query', 'clientIp', 'all', 'any', 'not'] as const;
type Kind = (typeof KINDS)[number];
const OPERATORS = ['exact', 'prefix', 'suffix', 'regex', 'in', 'present', 'absent', 'not'] as const;
type Operator = (typeof OPERATORS)[number];

/** The condition that a new rule begins with. */
export const NEW_MATCHER: Matcher = { host: { exact: '' } };

/** One condition, with the nested ones. */
export function MatcherEditor(props: {
  readonly matcher: Matcher;
  readonly path: string;
  onChange(matcher: Matcher): void;
  readonly onRemove?: (() => void) | undefined;
}) {
  const t = useText();
  const { matcher, path, onChange, onRemove } = props;
  const kind = kindOf(matcher);
  const error = useProblem(path);
  const fields = (
    <Group gap="sm" align="flex-start" wrap="wrap" style={{ flex: 1, minWidth: 0 }}>
      <Select
        id={fieldId(path)}
        data-path={path}
        aria-label={t.rule.kind}
        data={KINDS.map((one) => ({ value: one, label: t.rule.kinds[one] }))}
        value={kind}
        onChange={(next) => {
          if (next !== null) onChange(asKind(matcher, next as Kind));
        }}
        error={error}
        allowDeselect={false}
        comboboxProps={{ withinPortal: true }}
        w={170}
      />
      {(kind === 'header' || kind === 'cookie' || kind === 'query') && (
        <NamedFields matcher={matcher as NamedMatcher} kind={kind} path={path} onChange={onChange} />
      )}
      {(kind === 'host' || kind === 'path' || kind === 'method') && (
        <StringMatchEditor
          match={(matcher as Record<typeof kind, StringMatch>)[kind]}
          path={`${path}/${kind}`}
          onChange={(match) => onChange({ [kind]: match } as unknown as Matcher)}
        />
      )}
      {'clientIp' in matcher && (
        <Networks networks={matcher.clientIp.in} path={`${path}/clientIp/in`} onChange={(networks) => onChange({ clientIp: { in: networks } })} />
      )}
    </Group>
  );
  return (
    <Stack gap="sm" role="group" aria-label={t.rule.kinds[kind]}>
      <Group gap="xs" align="flex-start" wrap="nowrap">
        {fields}
        {onRemove !== undefined && (
          <ActionIcon
            variant="subtle"
            color="gray"
            size={36}
            aria-label={`${t.remove}: ${t.rule.kinds[kind]}`}
            onClick={onRemove}
            c="var(--mantine-color-dimmed)"
          >
            <IconX size={18} aria-hidden />
          </ActionIcon>
        )}
      </Group>
      {'all' in matcher && <Parts kind="all" parts={matcher.all} path={`${path}/all`} onChange={(all) => onChange({ all })} />}
      {'any' in matcher && <Parts kind="any" parts={matcher.any} path={`${path}/any`} onChange={(any) => onChange({ any })} />}
      {kind === 'not' && (
        <div className="nested">
          <MatcherEditor matcher={(matcher as { readonly not: Matcher }).not} path={`${path}/not`} onChange={(not) => onChange({ not })} />
        </div>
      )}
    </Stack>
  );
}

function Parts(props: { readonly kind: 'all' | 'any'; readonly parts: readonly Matcher[]; readonly path: string; onChange(parts: Matcher[]): void }) {
  const t = useText();
  const { parts, path, onChange } = props;
  const error = useProblem(path);
  return (
    <Stack className="nested" gap="sm">
      {parts.map((part, i) => (
        // Conditions have no names, so their position identifies them.
        <MatcherEditor
          key={i}
          matcher={part}
          path={`${path}/${i}`}
          onChange={(changed) => onChange(parts.map((one, j) => (j === i ? changed : one)))}
          onRemove={() => onChange(parts.filter((_, j) => j !== i))}
        />
      ))}
      <Group>
        <Button
          variant="default"
          size="xs"
          leftSection={<IconPlus size={15} aria-hidden />}
          onClick={() => onChange([...parts, NEW_MATCHER])}
          id={fieldId(path)}
        >
          {t.rule.addCondition}
        </Button>
        {error !== undefined && <span style={{ color: 'var(--mantine-color-error)', fontSize: '0.85rem' }}>{error}</span>}
      </Group>
    </Stack>
  );
}

type NamedMatcher = Matcher & StringMatch & Partial<Record<'header' | 'cookie' | 'query', string>>;

function NamedFields(props: {
  readonly matcher: NamedMatcher;
  readonly kind: 'header' | 'cookie' | 'query';
  readonly path: string;
  onChange(matcher: Matcher): void;
}) {
  const t = useText();
  const { matcher, kind, path, onChange } = props;
  const error = useProblem(`${path}/${kind}`);
  const { [kind]: name, ...match } = matcher as unknown as Record<string, unknown>;
  return (
    <>
      <TextInput
        id={fieldId(`${path}/${kind}`)}
        data-path={`${path}/${kind}`}
        aria-label={t.rule.names[kind]}
        placeholder={t.rule.names[kind]}
        value={name as string}
        onChange={(event) => onChange({ [kind]: event.currentTarget.value, ...match } as unknown as Matcher)}
        error={error}
        w={180}
        autoComplete="off"
      />
      <StringMatchEditor match={match as StringMatch} path={path} onChange={(next) => onChange({ [kind]: name, ...next } as unknown as Matcher)} />
    </>
  );
}

function StringMatchEditor(props: { readonly match: StringMatch; readonly path: string; onChange(match: StringMatch): void }) {
  const t = useText();
  const { match, path, onChange } = props;
  const operator = operatorOf(match);
  const at = `${path}/${operator === 'absent' ? 'present' : operator}`;
  const error = useProblem(at, operator === 'in');
  const value = (match as Record<string, unknown>)[operator];
  return (
    <>
      <Select
        aria-label={t.rule.operator}
        data={OPERATORS.map((one) => ({ value: one, label: t.rule.operators[one] }))}
        value={operator}
        onChange={(next) => {
          if (next !== null) onChange(asOperator(match, next as Operator));
        }}
        allowDeselect={false}
        w={190}
      />
      {operator === 'in' && (
        <TagsInput
          id={fieldId(at)}
          data-path={at}
          aria-label={t.rule.values}
          placeholder={(value as string[]).length === 0 ? t.rule.valuesHelp : ''}
          value={[...(value as string[])]}
          onChange={(values) => onChange({ in: values })}
          error={error}
          acceptValueOnBlur
          style={{ flex: '1 1 14rem' }}
        />
      )}
      {(operator === 'exact' || operator === 'prefix' || operator === 'suffix' || operator === 'regex') && (
        <TextInput
          id={fieldId(at)}
          data-path={at}
          aria-label={t.rule.value}
          placeholder={t.rule.value}
          value={value as string}
          onChange={(event) => onChange({ [operator]: event.currentTarget.value })}
          error={error}
          style={{ flex: '1 1 14rem' }}
          autoComplete="off"
          spellCheck={false}
          {...(operator === 'regex' ? { ff: 'monospace' } : {})}
        />
      )}
      {operator === 'not' && match.not !== undefined && (
        <StringMatchEditor match={match.not} path={`${path}/not`} onChange={(not) => onChange({ not })} />
      )}
    </>
  );
}

function Networks(props: { readonly networks: readonly string[]; readonly path: string; onChange(networks: string[]): void }) {
  const t = useText();
  const error = useProblem(props.path, true);
  return (
    <TagsInput
      id={fieldId(props.path)}
      data-path={props.path}
      aria-label={t.rule.networks}
      placeholder={props.networks.length === 0 ? t.rule.networksHelp : ''}
      value={[...props.networks]}
      onChange={props.onChange}
      error={error}
      acceptValueOnBlur
      splitChars={[',', ' ']}
      style={{ flex: '1 1 16rem' }}
    />
  );
}

function kindOf(matcher: Matcher): Kind {
  // `not` with a name negates the comparison.
  return KINDS.find((kind) => Object.hasOwn(matcher, kind)) ?? 'host';
}

/** Converts a condition to another kind, and keeps what fits. */
function asKind(matcher: Matcher, kind: Kind): Matcher {
  if (kind === kindOf(matcher)) return matcher;
  if (kind === 'all' || kind === 'any') {
    const parts = 'all' in matcher ? matcher.all : 'any' in matcher ? matcher.any : [matcher];
    return (kind === 'all' ? { all: parts } : { any: parts }) as Matcher;
  }
  if (kind === 'not') return { not: matcher };
  if (kind === 'clientIp') return { clientIp: { in: [] } };
  const match = comparisonOf(matcher);
  if (kind === 'host' || kind === 'path' || kind === 'method') return { [kind]: match } as unknown as Matcher;
  return { [kind]: '', ...match } as unknown as Matcher;
}

function comparisonOf(matcher: Matcher): StringMatch {
  const kind = kindOf(matcher);
  if (kind === 'host' || kind === 'path' || kind === 'method') return (matcher as Record<typeof kind, StringMatch>)[kind];
  if (kind === 'header' || kind === 'cookie' || kind === 'query') {
    const { [kind]: _, ...match } = matcher as unknown as Record<string, unknown>;
    return match as StringMatch;
  }
  return { exact: '' };
}

function operatorOf(match: StringMatch): Operator {
  if (match.present === false) return 'absent';
  return OPERATORS.find((operator) => Object.hasOwn(match, operator)) ?? 'exact';
}

function asOperator(match: StringMatch, operator: Operator): StringMatch {
  if (operator === 'present') return { present: true };
  if (operator === 'absent') return { present: false };
  if (operator === 'not') return { not: match };
  const value = match.exact ?? match.prefix ?? match.suffix ?? match.regex ?? match.in?.[0] ?? '';
  if (operator === 'in') return { in: match.in ?? (value === '' ? [] : [value]) };
  return { [operator]: value };
}
