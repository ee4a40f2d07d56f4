/** Options that replace the agent's variables in messages. */
const FLAGS: ReadonlyArray<readonly [variable: string, flag: string]> = [
  ['LANE_NACOS_SERVER', '--nacos'],
  ['LANE_NACOS_NAMESPACE', '--namespace'],
  ['LANE_NACOS_USERNAME', '--nacos-username'],
  ['LANE_NACOS_PASSWORD', '--nacos-password'],
  ['LANE_NACOS_GROUP', '--nacos-group'],
  ['LANE_NACOS_TRANSPORT', '--nacos-transport'],
];

/** Replaces variables in a message by flags: those given on the command line, and those that `prefersFlag` selects. */
export function inFlags(message: string, prefersFlag: (variable: string) => boolean = () => false): string {
  const isGiven = (flag: string): boolean => process.argv.some((one) => one === flag || one.startsWith(`${flag}=`));
  return FLAGS.filter(([variable, flag]) => isGiven(flag) || prefersFlag(variable)).reduce(
    (text, [variable, flag]) => text.replaceAll(`${variable}=`, `${flag} `).replaceAll(variable, flag),
    message,
  );
}
