/**
 * Protobuf: third-party .proto files → TypeScript in src/gen (neither is committed).
 *
 * The one idea: the npm package @grpc/grpc-js-xds carries Envoy's protos as of 1.31; copy its four roots into build/proto,
 * repair what is broken there, add the few newer fields that we use, and generate the closure of our roots.
 * The defects and the field numbers come from facts/protos.md §2 and §3.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOTS = ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'];

/** Field number of `ignore_empty` by rules message: PGV of 2020 lacks it and protoc then refuses Envoy's files. */
const IGNORE_EMPTY = {
  ...Object.fromEntries(
    ['Float', 'Double', 'Int32', 'Int64', 'UInt32', 'UInt64', 'SInt32', 'SInt64', 'Fixed32', 'Fixed64', 'SFixed32', 'SFixed64'].map((t) => [t, 8]),
  ),
  String: 26,
  Bytes: 14,
  Repeated: 5,
  Map: 6,
};

/** Fields newer than the package: file, message, declaration; `before` and `imports` where the declaration needs them. */
const NEWER_FIELDS = [
  {
    file: 'envoy/config/common/mutation_rules/v3/mutation_rules.proto',
    message: 'HeaderMutation',
    inside: 'oneof action {',
    declaration: 'RemoveOnMatch remove_on_match = 3;',
    nested: 'message RemoveOnMatch { type.matcher.v3.StringMatcher key_matcher = 1 [(validate.rules).message = {required: true}]; }',
    imports: ['envoy/type/matcher/v3/string.proto'],
  },
  {
    file: 'envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto',
    message: 'LocalRateLimit',
    declaration:
      'repeated config.route.v3.RateLimit rate_limits = 17; google.protobuf.UInt32Value max_dynamic_descriptors = 18 [(validate.rules).uint32 = {gte: 1}]; bool enable_retry_after_header = 19;',
    imports: ['envoy/config/route/v3/route_components.proto'],
  },
];

/** Every file below `dir` that ends in `.proto`, relative to it. */
function protoFiles(dir) {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.proto'));
}

/** The position just behind the `{` that opens `message Name`. */
function messageBody(text, name, file) {
  const at = new RegExp(`^message ${name} \\{`, 'm').exec(text);
  if (!at) throw new Error(`proto overlay: no message ${name} in ${file}; has the package changed?`);
  return at.index + at[0].length;
}

function insertAt(text, position, addition) {
  return `${text.slice(0, position)}\n  ${addition}${text.slice(position)}`;
}

function addImports(text, imports) {
  const missing = imports.filter((i) => !text.includes(`import "${i}"`)).map((i) => `import "${i}";\n`);
  return text.replace(/^import /m, `${missing.join('')}import `);
}

function addNewerField(dir, field) {
  const path = join(dir, 'envoy-api', field.file);
  let text = addImports(readFileSync(path, 'utf8'), field.imports ?? []);
  if (field.nested) text = insertAt(text, messageBody(text, field.message, field.file), field.nested);
  let position = messageBody(text, field.message, field.file);
  if (field.inside) {
    const inner = text.indexOf(field.inside, position);
    if (inner < 0) throw new Error(`proto overlay: no "${field.inside}" in ${field.message} of ${field.file}`);
    position = inner + field.inside.length;
    // an option statement must stay first to read well, but protoc takes any order
  }
  writeFileSync(path, insertAt(text, position, field.declaration));
}

function repairValidate(dir) {
  const path = join(dir, 'protoc-gen-validate/validate/validate.proto');
  let text = readFileSync(path, 'utf8');
  for (const [type, number] of Object.entries(IGNORE_EMPTY)) {
    if (!new RegExp(`message ${type}Rules \\{[^}]*ignore_empty`).test(text)) {
      text = insertAt(text, messageBody(text, `${type}Rules`, path), `optional bool ignore_empty = ${number};`);
    }
  }
  if (!/\bignored = 1072/.test(text)) {
    text = text.replace(/(extend google\.protobuf\.MessageOptions \{)/, '$1\n    optional bool ignored = 1072;');
  }
  writeFileSync(path, text);
}

function overlay(projectDir, dir) {
  rmSync(dir, { recursive: true, force: true });
  for (const root of ROOTS) {
    cpSync(join(projectDir, 'node_modules/@grpc/grpc-js-xds/deps', root), join(dir, root), { recursive: true });
    for (const file of protoFiles(join(dir, root))) {
      const path = join(dir, root, file);
      const text = readFileSync(path, 'utf8');
      if (text.includes('\r')) writeFileSync(path, text.replaceAll('\r\n', '\n'));
    }
  }
  repairValidate(dir);
  for (const field of NEWER_FIELDS) addNewerField(dir, field);
}

/** Names of the files in a FileDescriptorSet: field 1 of each `file` (field 1). Two fields do not justify a library here. */
function descriptorNames(bytes) {
  const names = [];
  let at = 0;
  const varint = () => {
    for (let shift = 0, value = 0; ; shift += 7) {
      const b = bytes[at++];
      value += (b & 0x7f) * 2 ** shift;
      if (b < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    varint(); // tag of `file`
    const length = varint();
    const end = at + length;
    varint(); // tag of `name`, always written first
    const nameLength = varint();
    names.push(bytes.subarray(at, at + nameLength).toString('utf8'));
    at = end;
  }
  return names;
}

/** Hash of all that decides the generated code: this script, the roots, the packages' versions. */
function inputHash(projectDir) {
  const hash = createHash('sha256');
  for (const f of ['scripts/lib/proto.mjs', 'scripts/lib/proto-roots.txt']) hash.update(readFileSync(join(projectDir, f)));
  for (const p of ['@grpc/grpc-js-xds', '@bufbuild/protoc-gen-es', 'protoc']) {
    hash.update(JSON.parse(readFileSync(join(projectDir, 'node_modules', p, 'package.json'), 'utf8')).version);
  }
  return hash.digest('hex');
}

const stampPath = (projectDir) => join(projectDir, 'src/gen/.inputs');

/**
 * Whether src/gen is what the present inputs generate.
 * @param {string} projectDir
 */
export function protobufIsCurrent(projectDir) {
  const stamp = stampPath(projectDir);
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === inputHash(projectDir);
}

/**
 * Generates src/gen. Node 24 must come first on the PATH: the generator is a script for it.
 * @param {string} projectDir
 */
export function generateProtobuf(projectDir) {
  const out = join(projectDir, 'src/gen');
  const dir = join(projectDir, 'build/proto');
  overlay(projectDir, dir);
  const roots = readFileSync(join(projectDir, 'scripts/lib/proto-roots.txt'), 'utf8').split('\n').filter((l) => l && !l.startsWith('#'));
  const bin = (name) => join(projectDir, 'node_modules/.bin', name);
  const includes = ROOTS.map((r) => `-I${join(dir, r)}`);
  const set = join(dir, 'closure.binpb');
  // protoc hands to a plugin only the files that are named, not their imports: first ask for the closure, then name it all.
  const run = (args) => execFileSync(bin('protoc'), [...includes, ...args], { stdio: ['ignore', 'inherit', 'inherit'], cwd: projectDir });
  run(['--include_imports', `--descriptor_set_out=${set}`, ...roots]);
  const files = descriptorNames(readFileSync(set)).filter((f) => !f.startsWith('google/protobuf/'));
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  run([`--plugin=protoc-gen-es=${bin('protoc-gen-es')}`, `--es_out=${out}`, '--es_opt=target=ts,import_extension=js', ...files]);
  writeFileSync(stampPath(projectDir), inputHash(projectDir));
}
