/** The shape of errors. */
import Type from 'typebox'
import { answered, failure, flag, list, optional, words } from './values.ts'

export const problem = answered(
  'Problem',
  {
    type: Type.String({ description: 'Where the code is explained.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What is wrong here.' }),
    code: Type.String({ description: 'Of the catalogue.' }),
    retryable: flag('The same request may succeed later.'),
    hint: Type.String({ description: 'What to do.' }),
    requestId: Type.String({ description: 'Also in the log of the node.' }),
    errors: optional(
      list(
        Type.Object({
          in: words(['body', 'path', 'query', 'header']),
          pointer: Type.String({
            description: 'JSON pointer into the body; else the name of the parameter after `/`.',
          }),
          detail: Type.String(),
        }),
        'What does not fit.',
      ),
    ),
    cause: optional(failure),
  },
  'RFC 9457.',
)
