import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { kubernetesProgram, type RunningKubernetes } from '../../servers/kubernetes/index.js';
import { dataFolder } from '../../servers/process.js';

const CHART = join(__dirname, '../../../packages/kubernetes/chart');

/** Grants service accounts of a namespace the rights that the chart grants with registry.kind=kubernetes; `lane-registry` always gets them. */
export async function grantRegistry(kubernetes: RunningKubernetes, namespace: string, accounts: readonly string[] = ['app']): Promise<void> {
  const home = dataFolder('helm');
  const values = `registry.kind=kubernetes,registry.namespaces={${namespace}}${accounts.length === 0 ? '' : `,registry.serviceAccounts={${accounts.join()}}`}`;
  const args = [
    'template',
    'lane',
    CHART,
    '--namespace',
    'lane-system',
    '--kube-version',
    '1.34.0',
    '-s',
    'templates/registry.yaml',
    '--set',
    values,
  ];
  const { stdout } = await promisify(execFile)(await kubernetesProgram('helm'), args, { env: { ...process.env, HOME: home } });
  await kubernetes.apply(stdout);
}
