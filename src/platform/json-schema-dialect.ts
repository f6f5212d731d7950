/**
 * What a schema of draft 2020-12 looks like: its meta-schema in one piece. Keywords that it does not name are notes, as in
 * the standard. Source: json-schema.org/draft/2020-12/schema, and the vocabularies that it consists of.
 */
import type { Json } from '../protocol/json.ts'

const schema: Json = { $ref: '#' }
const schemas: Json = { type: 'array', minItems: 1, items: schema }
const schemasByName: Json = { type: 'object', additionalProperties: schema }
const count: Json = { type: 'integer', minimum: 0 }
const number: Json = { type: 'number' }
const text: Json = { type: 'string' }
const flag: Json = { type: 'boolean' }
const names: Json = { type: 'array', items: text, uniqueItems: true }
const types: Json = { enum: ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'] }

export const SCHEMA_OF_SCHEMAS: Json = {
  type: ['object', 'boolean'],
  properties: {
    $id: text,
    $schema: text,
    $ref: text,
    $anchor: text,
    $dynamicRef: text,
    $dynamicAnchor: text,
    $comment: text,
    $defs: schemasByName,
    definitions: schemasByName,
    // The last alternative is the one that messages tell of.
    type: { anyOf: [{ type: 'array', items: types, minItems: 1, uniqueItems: true }, types] },
    enum: { type: 'array' },
    multipleOf: { type: 'number', exclusiveMinimum: 0 },
    maximum: number,
    exclusiveMaximum: number,
    minimum: number,
    exclusiveMinimum: number,
    maxLength: count,
    minLength: count,
    pattern: text,
    format: text,
    maxItems: count,
    minItems: count,
    uniqueItems: flag,
    maxContains: count,
    minContains: count,
    maxProperties: count,
    minProperties: count,
    required: names,
    dependentRequired: { type: 'object', additionalProperties: names },
    prefixItems: schemas,
    items: schema,
    contains: schema,
    additionalProperties: schema,
    properties: schemasByName,
    patternProperties: schemasByName,
    dependentSchemas: schemasByName,
    propertyNames: schema,
    unevaluatedItems: schema,
    unevaluatedProperties: schema,
    if: schema,
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: schema,
    else: schema,
    allOf: schemas,
    anyOf: schemas,
    oneOf: schemas,
    not: schema,
    title: text,
    description: text,
    deprecated: flag,
    readOnly: flag,
    writeOnly: flag,
    examples: { type: 'array' },
    contentEncoding: text,
    contentMediaType: text,
    contentSchema: schema,
  },
}
