/** What agents report about themselves, for commands, without the console's server. */
export { agentsInstancesOf, askAgents, doubtsOf, type AgentsDoubts, type AgentsInstance, type AgentView } from './traffic/agents-views.js';
export { isLoopbackServer } from './traffic/admin-address.js';
