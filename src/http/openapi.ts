// The parts of OpenAPI 3.1 that the documents of our servers are made of.

/** A JSON Schema (draft 2020-12), as OpenAPI 3.1 takes it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path' | 'header';
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: JsonSchema;
}

export interface ResponseDescription {
  readonly description: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, { readonly schema: JsonSchema }>>;
}

/** An operation of the document: the part of OpenAPI's that is used here. */
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: unknown;
  readonly responses: Readonly<Record<string, ResponseDescription>>;
}

export function jsonContent(schema: JsonSchema): {
  readonly 'application/json': { readonly schema: JsonSchema };
} {
  return { 'application/json': { schema } };
}

/** The answer to a failed request, whose schema is the component `Problem`. */
export function problemResponse(description: string): ResponseDescription {
  return {
    description,
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
}

const text = { type: 'string' };

/** The component `Problem`. */
export const problemSchema: JsonSchema = {
  type: 'object',
  description: 'RFC 9457.',
  required: ['type', 'title', 'status', 'detail', 'instance', 'requestId'],
  properties: {
    type: text,
    title: text,
    status: { type: 'integer' },
    detail: text,
    instance: text,
    requestId: text,
    code: { ...text, description: 'Which error it was; stable.' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['message'],
        properties: {
          path: { ...text, description: 'In the body: $.rows[3].id' },
          parameter: { ...text, description: 'Of the query.' },
          message: text,
        },
      },
    },
  },
};
