/**
 * docs/configuration.md, made of the schemas: what validates a file is what explains it. A pure function without imports, so
 * that scripts/reference.mjs can run it as it stands here, uncompiled.
 */

/** What of JSON Schema our two schemas use. */
export interface SchemaNode {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, SchemaNode>>;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly pattern?: string;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly SchemaNode[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: boolean | SchemaNode;
  readonly items?: SchemaNode;
}

type Definitions = Readonly<Record<string, SchemaNode>>;

/** The whole document, Markdown. */
export function configurationReference(schemas: { readonly gateway: SchemaNode; readonly agent: SchemaNode }): string {
  const definitions = { ...schemas.gateway.$defs, ...schemas.agent.$defs };
  const notations = Object.entries(definitions).filter(([, node]) => isNotation(node));
  return [
    '<!-- Made of schema/*.json by `npm run reference`; change those. -->',
    '',
    '# Configuration',
    '',
    'Each process reads one YAML file. `scrapeway check FILE` says everything that is wrong with one, and starts nothing. Editors',
    'that know JSON Schema complete and check the files by `schema/gateway.schema.json` and `schema/agent.schema.json`. Files to',
    'start from are in `examples/`.',
    '',
    'Where there is no default and no "required", what happens without the key is in its description. `[]` in a heading stands for',
    'each entry of a list.',
    '',
    ...chapter("The gateway's file", schemas.gateway),
    ...chapter("The agent's file", schemas.agent),
    '## Notations',
    '',
    '| Name | Form | |',
    '|---|---|---|',
    ...notations.map(([name, { title = '', description = '' }]) => `| ${cell(name)} | ${cell(title)} | ${cell(description)} |`),
    '',
  ].join('\n');
}

function chapter(title: string, schema: SchemaNode): readonly string[] {
  return [`## ${title}`, '', schema.description ?? '', '', ...section('', schema, schema.$defs ?? {})];
}

/** A map's keys as a table, then the maps within it. */
function section(path: string, map: SchemaNode, definitions: Definitions): readonly string[] {
  const entries = Object.entries(map.properties ?? {}).map(([key, node]) => ({ key, node: resolved(node, definitions), required: map.required?.includes(key) === true }));
  return [
    ...(path === '' ? [] : [`### \`${path}\``, '', map.description ?? '', '']),
    '| Key | Type | Default | |',
    '|---|---|---|---|',
    ...entries.map(({ key, node, required }) => `| \`${key}\` | ${cell(typeText(node, definitions))} | ${required ? 'required' : cell(defaultText(node))} | ${cell(descriptionText(node))} |`),
    '',
    ...entries.flatMap(({ key, node }) => inner(path === '' ? key : `${path}.${key}`, node, definitions)),
  ];
}

/** The sections of the maps that stand in a value. */
function inner(path: string, node: SchemaNode, definitions: Definitions): readonly string[] {
  if (node.properties !== undefined) return section(path, node, definitions);
  return node.items === undefined ? [] : inner(`${path}[]`, resolved(node.items, definitions), definitions);
}

/** What a reference leads to, with what stands beside it; `$ref` stays where it is a notation's. */
function resolved(node: SchemaNode, definitions: Definitions): SchemaNode {
  const target = definitions[definitionName(node) ?? ''];
  if (target === undefined) return node;
  const { $ref: _, ...beside } = node;
  return isNotation(target) ? { ...target, ...node } : resolved({ ...target, ...beside }, definitions);
}

function definitionName({ $ref }: SchemaNode): string | undefined {
  return $ref?.replace('#/$defs/', '');
}

/** A definition that is a form of text, and has a row of its own. */
function isNotation({ $ref, type }: SchemaNode): boolean {
  return $ref === undefined && type === 'string';
}

function typeText(node: SchemaNode, definitions: Definitions): string {
  const name = definitionName(node);
  if (name !== undefined) return `[${name}](#notations)`;
  if (node.enum !== undefined) return node.enum.map(code).join(', ');
  if (node.items !== undefined) return `list of ${typeText(resolved(node.items, definitions), definitions)}`;
  if (node.properties !== undefined) return 'map';
  switch (node.type) {
    case 'object':
      return 'map of text';
    case 'integer':
      return `whole number, ${node.minimum} to ${node.maximum}`;
    case 'boolean':
      return '`true`, `false`';
    default:
      // of a form, the title states the rule (schema.ts)
      return node.pattern !== undefined || node.anyOf !== undefined ? (node.title ?? '') : 'text';
  }
}

function defaultText(node: SchemaNode): string {
  if (node.default === undefined) return '';
  return node.properties !== undefined ? 'see below' : code(typeof node.default === 'string' ? node.default : JSON.stringify(node.default));
}

function descriptionText({ description = '', examples: [example] = [] }: SchemaNode): string {
  return example === undefined ? description : `${description} For instance ${code(typeof example === 'string' ? example : JSON.stringify(example))}.`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
