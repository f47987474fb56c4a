// What the routes of the dashboard answer, as JSON Schema: made of the types of their answers, by the compiler itself. The comments of the types
// become descriptions.
import { join } from 'node:path';
import { API, TypeFlags } from 'typescript/unstable/sync';
import { root } from './setup.mjs';

const file = join(root, 'src/dashboard/server/pages/api-routes.ts');
/** SymbolFlags.Optional, which the package does not export as a value. */
const optional = 16_777_216;
/** No answer is nested deeper: a type that contains itself would never end. */
const maxDepth = 24;

/** The text of dist/dashboard/answers.json: by method and path (`GET /tasks/:id`), the schemas by status. */
export function answerSchemas() {
  const api = new API({ cwd: root });
  const snapshot = api.updateSnapshot({ openProjects: [join(root, 'tsconfig.build.json')] });
  const [{ program, checker }] = snapshot.getProjects();
  const module = checker.getSymbolAtLocation(program.getSourceFile(file));
  const schema = checker.getExportsOfModule(module).find(({ name }) => name === 'PageSchema');
  const answers = {};
  for (const [path, verbs] of membersOf(checker, checker.getDeclaredTypeOfSymbol(schema)))
    for (const [verb, endpoint] of membersOf(checker, verbs)) {
      const key = `${verb.slice(1).toUpperCase()} ${path}`;
      answers[key] = {};
      // A route that answers in several ways has a union.
      for (const each of endpoint.isUnionType() ? endpoint.getTypes() : [endpoint]) {
        const members = new Map(membersOf(checker, each));
        const status = members.get('status');
        const code = status?.isNumberLiteralType() ? status.value : 200;
        answers[key][code] = schemaOf(checker, members.get('output'), key, 0);
      }
    }
  api.close();
  return JSON.stringify(answers);
}

/** Names and types of the properties of a type. */
function membersOf(checker, type) {
  return checker
    .getPropertiesOfType(type)
    .map((symbol) => [symbol.name, checker.getTypeOfSymbol(symbol), symbol]);
}

function schemaOf(checker, type, where, depth) {
  if (depth > maxDepth)
    throw new Error(`the answer of ${where} contains itself: ${checker.typeToString(type)}`);
  const { flags } = type;
  const inner = (each) => schemaOf(checker, each, where, depth + 1);
  if (flags & (TypeFlags.Any | TypeFlags.Unknown) || isAnyJson(type)) return {};
  if (flags & TypeFlags.Null) return { type: 'null' };
  if (type.isLiteralType()) return { const: type.value };
  if (flags & TypeFlags.BooleanLiteral) return { const: checker.typeToString(type) === 'true' };
  if (flags & TypeFlags.Boolean) return { type: 'boolean' };
  if (flags & TypeFlags.StringLike) return { type: 'string' };
  if (flags & TypeFlags.NumberLike) return { type: 'number' };
  if (type.isUnionType()) return unionOf(type.getTypes(), inner);
  if (checker.isTupleType(type))
    return { type: 'array', prefixItems: checker.getTypeArguments(type).map(inner) };
  if (checker.isArrayType(type) || checker.isArrayLikeType(type)) {
    const [items] = checker.getTypeArguments(type);
    return { type: 'array', items: items === undefined ? {} : inner(items) };
  }
  return flags & TypeFlags.Object || type.isIntersectionType() ? objectOf(checker, type, inner) : {};
}

/** hono's types of what may be any JSON, which contain themselves. */
function isAnyJson(type) {
  return /^JSON(?:Array|Object|Value)$/.test(type.getAliasSymbol()?.name ?? '');
}

function unionOf(types, inner) {
  if (types.some(isAnyJson)) return {};
  const schemas = types.filter(({ flags }) => !(flags & TypeFlags.Undefined)).map(inner);
  const constants = schemas.filter((each) => 'const' in each).map((each) => each.const);
  const isBoolean = constants.filter((each) => typeof each === 'boolean').length === 2;
  const values = constants.filter((each) => !isBoolean || typeof each !== 'boolean');
  const choices = [
    ...schemas.filter((each) => !('const' in each)),
    ...(isBoolean ? [{ type: 'boolean' }] : []),
    ...(values.length > 0 ? [{ enum: values.sort() }] : []),
  ];
  if (choices.length === 1) return choices[0];
  const arePlain = choices.every((each) => Object.keys(each).length === 1 && typeof each.type === 'string');
  return arePlain ? { type: choices.map((each) => each.type) } : { anyOf: choices };
}

function objectOf(checker, type, inner) {
  const properties = {};
  const required = [];
  for (const [name, member, symbol] of membersOf(checker, type)) {
    const description = symbol.getDocumentationComment(checker).trim();
    properties[name] = { ...inner(member), ...(description !== '' && { description }) };
    const mayBeMissing =
      symbol.flags & optional ||
      (member.isUnionType() && member.getTypes().some(({ flags }) => flags & TypeFlags.Undefined));
    if (!mayBeMissing) required.push(name);
  }
  const [index] = checker.getIndexInfosOfType(type);
  return {
    type: 'object',
    ...(Object.keys(properties).length > 0 && { properties }),
    ...(required.length > 0 && { required }),
    ...(index !== undefined && { additionalProperties: inner(index.valueType ?? index.type) }),
  };
}
