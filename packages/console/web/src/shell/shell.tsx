/** The frame of each page: name, navigation, language, appearance, and the user. */
import {
  ActionIcon,
  AppShell,
  Badge,
  Burger,
  Button,
  Group,
  Loader,
  Menu,
  Stack,
  Text,
  useComputedColorScheme,
  useMantineColorScheme,
} from '@mantine/core';
import { useDisclosure, useElementSize, useMediaQuery } from '@mantine/hooks';
import {
  IconArrowsSplit2,
  IconBraces,
  IconCheck,
  IconDeviceDesktop,
  IconHistory,
  IconLanguage,
  IconLogout,
  IconMoon,
  IconRoute,
  IconSun,
  IconTopologyStar3,
} from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect, useRef, type ReactNode } from 'react';
import { api, ApiError } from '../api/client.js';
import { groupsQuery, sessionQuery, type GroupsAnswer } from '../api/queries.js';
import { LANGUAGES, useLanguage, useText, type Language } from '../language/index.js';
import { Failure } from '../parts/failure.js';
import { useFreshness } from '../parts/freshness.js';
import { LaneColors } from '../parts/lane-badge.js';
import { PageHead } from '../parts/page-head.js';
import { NoticeBar, StaleBanner, useNotice } from './notice-bar.js';
import { SignIn } from './sign-in.js';

const HEADER_PX = 60;

const PAGES = [
  { to: '/', key: 'groups', Icon: IconRoute },
  { to: '/traffic', key: 'traffic', Icon: IconTopologyStar3 },
  { to: '/explain', key: 'explain', Icon: IconArrowsSplit2 },
  { to: '/history', key: 'history', Icon: IconHistory },
  { to: '/document', key: 'document', Icon: IconBraces },
] as const;

/** The frame of all pages; asks for a token first if one is required. */
export function Shell() {
  const t = useText();
  const session = useQuery(sessionQuery);
  const [isOpen, { toggle, close }] = useDisclosure(false);
  const path = useRouterState({ select: ({ location }) => location.pathname });
  useMovedFocus(close);
  const freshness = useFreshness();
  const notice = useNotice();
  const { ref: secondRow, height: secondRowPx } = useElementSize();
  const isWide = useMediaQuery('(min-width: 64em)', undefined, { getInitialValueInEffect: false }) === true;
  /** Short notices go into the first row if it has room; others get their own row. */
  const isBeside = isWide && notice?.kind === 'done';

  if (session.data === undefined) {
    return (
      <main style={{ padding: '3rem 1rem', maxWidth: 640, margin: '0 auto' }}>
        <h1 className="visually-hidden">{t.appName}</h1>
        {session.error === null ? <Loader aria-label={t.loading} /> : <Failure error={session.error} retry={() => void session.refetch()} />}
      </main>
    );
  }
  if (session.data.user === null) return <SignIn />;
  const { user, authentication, nacos } = session.data;
  return (
    <AppShell
      data-stale={freshness.isStale || undefined}
      header={{ height: HEADER_PX + Math.ceil(secondRowPx) }}
      navbar={{ width: 232, breakpoint: 'sm', collapsed: { mobile: !isOpen } }}
      padding={{ base: 'md', sm: 'xl' }}
      transitionDuration={0}
    >
      <a className="skip" href="#content">
        {t.skip}
      </a>
      <AppShell.Header style={{ background: 'var(--surface)', borderColor: 'var(--line)' }}>
        <Group className="header-row" h={HEADER_PX} justify="space-between" wrap="nowrap" gap="xs">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={isOpen} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={t.menu} aria-expanded={isOpen} />
            <Link to="/" style={{ color: 'inherit', textDecoration: 'none', display: 'flex', alignItems: 'center', gap: '0.6rem' }}>
              <img src="/icon.svg" width={30} height={30} alt="" />
              <Text component="span" fw={700} size="lg">
                Lane
              </Text>
            </Link>
          </Group>
          {isBeside && (
            <div className="notice-beside">
              <NoticeBar key={notice.id} notice={notice} />
            </div>
          )}
          <Group gap={4} wrap="nowrap">
            {authentication === 'token' && (
              <Group gap={6} wrap="nowrap" mr={4}>
                <Text size="sm" fw={600} visibleFrom="xs">
                  {user.name}
                </Text>
                <Badge variant="outline" color="gray" size="sm" tt="none" styles={{ root: { color: 'var(--mantine-color-dimmed)' } }}>
                  {t.roles[user.role]}
                </Badge>
                <SignOut />
              </Group>
            )}
            <LanguageMenu />
            <SchemeMenu />
          </Group>
        </Group>
        <div ref={secondRow}>
          {freshness.isStale && <StaleBanner freshness={freshness} />}
          {notice !== undefined && !isBeside && <NoticeBar key={notice.id} notice={notice} />}
        </div>
      </AppShell.Header>
      <AppShell.Navbar p="md" component="div" style={{ background: 'var(--mantine-color-body)', borderColor: 'var(--line)' }}>
        <Stack gap={4} component="nav" aria-label={t.navigation} flex={1}>
          {PAGES.map(({ to, key, Icon }) => (
            <Link key={to} to={to} className="nav-link" data-active={isIn(path, to) || undefined} aria-current={isIn(path, to) ? 'page' : undefined}>
              <Icon size={19} stroke={1.7} aria-hidden />
              <span className="nav-text" data-text={t.pages[key]}>
                {t.pages[key]}
              </span>
            </Link>
          ))}
        </Stack>
        {nacos !== undefined && (
          <Text size="xs" c="dimmed" className="break">
            {t.nacos} <span className="mono">{nacos.server}</span>
            <br />
            {t.namespace} <span className="mono">{nacos.namespace}</span>
          </Text>
        )}
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1} style={{ outline: 'none' }}>
        <div className="page">
          <div style={{ maxWidth: 1120, margin: '0 auto' }}>
            <ColorsOfLanes>
              <Outlet />
            </ColorsOfLanes>
          </div>
        </div>
      </AppShell.Main>
    </AppShell>
  );
}

const tagsOfLanes = ({ groups }: GroupsAnswer): string[] => groups.flatMap(({ group }) => group.lanes.map(({ tag }) => tag));
const NONE: readonly string[] = [];

/** Keeps the colours of all groups' lanes the same on all pages, even on those that also show other lanes. */
function ColorsOfLanes({ children }: { readonly children: ReactNode }) {
  const client = useQueryClient();
  useEffect(() => void client.prefetchQuery({ ...groupsQuery, staleTime: Infinity }), [client]);
  // Sends no queries: only follows those of the pages.
  const { data: tags = NONE } = useQuery({ ...groupsQuery, enabled: false, select: tagsOfLanes });
  return <LaneColors tags={tags}>{children}</LaneColors>;
}

/** Whether a page belongs to a link. The pages of groups belong to /, which is not a prefix of their own. */
function isIn(path: string, to: string): boolean {
  return to === '/' ? path === '/' || path === '/new-group' || path.startsWith('/groups/') : path === to;
}

/** Focuses the heading of a new page, so that screen readers announce it. */
function useMovedFocus(onMove: () => void): void {
  const path = useRouterState({ select: ({ resolvedLocation }) => resolvedLocation?.pathname });
  const before = useRef(path);
  useEffect(() => {
    if (before.current === path) return;
    const isFirst = before.current === undefined;
    before.current = path;
    onMove();
    if (!isFirst) document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true });
  }, [path, onMove]);
}

function SignOut() {
  const t = useText();
  const client = useQueryClient();
  const signOut = async (): Promise<void> => {
    await api('/session', { method: 'DELETE' }).catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
    });
    await client.resetQueries();
  };
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="lg"
      aria-label={t.signIn.out}
      title={t.signIn.out}
      onClick={() => void signOut()}
      c="var(--mantine-color-text)"
    >
      <IconLogout size={19} stroke={1.7} aria-hidden />
    </ActionIcon>
  );
}

function LanguageMenu() {
  const { language, text: t, choose } = useLanguage();
  return (
    <Menu position="bottom-end" withinPortal={false} withInitialFocusPlaceholder={false}>
      <Menu.Target>
        <Button
          variant="subtle"
          size="sm"
          px="xs"
          c="var(--mantine-color-text)"
          leftSection={<IconLanguage size={19} stroke={1.7} aria-hidden />}
          aria-label={`${t.language}: ${t.name}`}
        >
          {t.name}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {(Object.keys(LANGUAGES) as Language[]).map((one) => (
          <Menu.Item
            key={one}
            lang={LANGUAGES[one].locale}
            onClick={() => choose(one)}
            aria-current={one === language || undefined}
            rightSection={<Chosen isChosen={one === language} />}
          >
            {LANGUAGES[one].name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function SchemeMenu() {
  const t = useText();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const computed = useComputedColorScheme();
  const Icon = computed === 'dark' ? IconMoon : IconSun;
  const choices = [
    { value: 'light', ChoiceIcon: IconSun },
    { value: 'dark', ChoiceIcon: IconMoon },
    { value: 'auto', ChoiceIcon: IconDeviceDesktop },
  ] as const;
  return (
    <Menu position="bottom-end" withinPortal={false} withInitialFocusPlaceholder={false}>
      <Menu.Target>
        <ActionIcon variant="subtle" size="lg" c="var(--mantine-color-text)" aria-label={`${t.scheme}: ${t.schemes[colorScheme]}`}>
          <Icon size={19} stroke={1.7} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {choices.map(({ value, ChoiceIcon }) => (
          <Menu.Item
            key={value}
            leftSection={<ChoiceIcon size={16} aria-hidden />}
            aria-current={value === colorScheme || undefined}
            rightSection={<Chosen isChosen={value === colorScheme} />}
            onClick={() => setColorScheme(value)}
          >
            {t.schemes[value]}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

/** A tick before the chosen item; others get a space of the same width, so that nothing moves. */
function Chosen({ isChosen }: { readonly isChosen: boolean }) {
  return <IconCheck size={16} aria-hidden visibility={isChosen ? 'visible' : 'hidden'} />;
}

/** The page for unknown URLs. */
export function NotFound() {
  const t = useText();
  return (
    <>
      <PageHead title={t.notFound} />
      <Link to="/">{t.pages.groups}</Link>
    </>
  );
}
