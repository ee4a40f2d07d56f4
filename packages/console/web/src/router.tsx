/** The pages and their addresses. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';
import { GroupFormPage } from './groups/group-form-page.js';
import { GroupPage } from './groups/group-page.js';
import { GroupsPage } from './groups/groups-page.js';
import { LaneFormPage } from './groups/lane-form-page.js';
import { NotFound, Shell } from './shell/shell.js';

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const groups = createRoute({ getParentRoute: () => root, path: '/', component: GroupsPage });
/** The URL of a group without the name of the group. */
const groupsAgain = createRoute({
  getParentRoute: () => root,
  path: '/groups',
  beforeLoad: () => redirect({ to: '/', throw: true }),
});
const newGroup = createRoute({ getParentRoute: () => root, path: '/new-group', component: () => <GroupFormPage /> });
const group = createRoute({ getParentRoute: () => root, path: '/groups/$group', component: () => <GroupPage name={group.useParams().group} /> });
const editGroup = createRoute({
  getParentRoute: () => root,
  path: '/groups/$group/edit',
  component: () => <GroupFormPage name={editGroup.useParams().group} />,
});
const newLane = createRoute({
  getParentRoute: () => root,
  path: '/groups/$group/new-lane',
  component: () => <LaneFormPage groupName={newLane.useParams().group} />,
});
const editLane = createRoute({
  getParentRoute: () => root,
  path: '/groups/$group/lanes/$lane',
  component: () => {
    const { group: groupName, lane } = editLane.useParams();
    return <LaneFormPage key={`${groupName}/${lane}`} groupName={groupName} laneName={lane} />;
  },
});
const traffic = createRoute({
  getParentRoute: () => root,
  path: '/traffic',
  validateSearch: (search: Readonly<Record<string, unknown>>): { readonly service?: string } =>
    typeof search['service'] === 'string' ? { service: search['service'] } : {},
  component: lazyRouteComponent(() => import('./traffic/traffic-page.js'), 'TrafficPage'),
});
const explain = createRoute({
  getParentRoute: () => root,
  path: '/explain',
  component: lazyRouteComponent(() => import('./explain/explain-page.js'), 'ExplainPage'),
});
const history = createRoute({
  getParentRoute: () => root,
  path: '/history',
  component: lazyRouteComponent(() => import('./history/history-page.js'), 'HistoryPage'),
});
const document = createRoute({
  getParentRoute: () => root,
  path: '/document',
  component: lazyRouteComponent(() => import('./history/document-page.js'), 'DocumentPage'),
});

export const router = createRouter({
  routeTree: root.addChildren([groups, groupsAgain, newGroup, group, editGroup, newLane, editLane, traffic, explain, history, document]),
  defaultPreload: 'intent',
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
