import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { projectDir } from '../../test/support/project.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import { describeMachine } from '../machine.js';
import { markdownTable } from '../table.js';
import { SCENARIOS } from './all.js';
import type { Scenario, ScenarioContext } from './scenario.js';

/** `npm run bench -- --scenario NAME,…` or `--all`: each scenario's table on the terminal and in bench/results, with all figures as JSON. */

const USAGE = `npm run bench -- (--all | --scenario NAME,…) [--rounds 5] [--seconds 3] [--agents N]; there are\n${SCENARIOS.map(({ name, what }) => `  ${name.padEnd(10)} ${what}`).join('\n')}`;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

interface Chosen {
  readonly scenarios: readonly Scenario[];
  readonly plan: Pick<ScenarioContext, 'rounds' | 'seconds' | 'agents'>;
}

function readArguments(argv: readonly string[]): Chosen {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ args: [...argv], options: { all: { type: 'boolean' }, scenario: text, rounds: text, seconds: text, agents: text } });
  const names = values.scenario?.split(',') ?? [];
  const unknown = names.find((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown !== undefined) throw new Error(`no scenario ${unknown}`);
  if (names.length === 0 && values.all !== true) throw new Error('no scenario named');
  const count = (name: 'rounds' | 'seconds' | 'agents', otherwise: number): number => {
    const value = Number(values[name] ?? otherwise);
    if (!Number.isInteger(value) || value < 1 || value > 100_000) throw new Error(`--${name} must be a whole number from 1 to 100000`);
    return value;
  };
  return {
    scenarios: SCENARIOS.filter(({ name }) => values.all === true || names.includes(name)),
    plan: { rounds: count('rounds', 5), seconds: count('seconds', 3), agents: values.agents === undefined ? undefined : count('agents', 1) },
  };
}

/** False: it did not work. */
async function runOne(scenario: Scenario, plan: Chosen['plan']): Promise<boolean> {
  await using dir = await createTempDir();
  const machine = await describeMachine();
  print(`\n${scenario.name}: ${scenario.what}`);
  try {
    const finding = await scenario.run({ ...plan, dir: dir.path, print: (line) => print(`  ${line}`) });
    const facts = `${machine.processors} processors (${machine.cpu}), Node ${machine.node}, Envoy ${machine.envoy}; load average before: ${machine.loadBefore}.`;
    const markdown = [`**${scenario.name}** – ${scenario.what}. ${facts}`, '', markdownTable(finding.head, finding.rows), ...finding.notes.map((note) => `- ${note}`), ''].join('\n');
    print(`\n${markdown}`);
    const at = new Date().toISOString();
    const base = path.join(projectDir, 'bench/results', `${scenario.name}-${at.replaceAll(/[:.]/g, '-')}`);
    await mkdir(path.dirname(base), { recursive: true });
    await writeFile(`${base}.json`, `${JSON.stringify({ at, scenario: scenario.name, plan, machine, ...finding }, null, 2)}\n`);
    await writeFile(`${base}.md`, markdown);
    print(`written: ${path.relative(process.cwd(), base)}.{json,md}`);
    return true;
  } catch (error) {
    print(`${scenario.name} failed: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

try {
  const { scenarios, plan } = readArguments(process.argv.slice(2));
  for (const scenario of scenarios) if (!(await runOne(scenario, plan))) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
  process.exitCode = 2;
}
