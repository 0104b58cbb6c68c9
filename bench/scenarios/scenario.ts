/** One question about cost that the main table does not answer, as a program answers it: a table, what stands beside it, and all figures. */

export interface Scenario {
  /** `--scenario NAME`. */
  readonly name: string;
  /** The question, one line. */
  readonly what: string;
  run(context: ScenarioContext): Promise<Finding>;
}

export interface ScenarioContext {
  /** Folder of the run, with a short path: sockets lie in it. */
  readonly dir: string;
  /** Windows or repetitions of each thing that is compared. */
  readonly rounds: number;
  /** Of each window, s. */
  readonly seconds: number;
  /** Undefined: what the scenario takes for itself. */
  readonly agents: number | undefined;
  readonly print: (line: string) => void;
}

export interface Finding {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What a reader must know to read the table. */
  readonly notes: readonly string[];
  /** Everything that was measured, for the JSON. */
  readonly data: unknown;
}

/** `agent-00001` and so on. */
export function agentNames(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `agent-${String(index + 1).padStart(5, '0')}`);
}
