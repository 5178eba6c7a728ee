/**
 * Rebuilds the artifacts and annotations that a worker records from the fields that Vitest's reporters read:
 * packages/runner/src/types/tasks.ts. A test may record artifacts of its own types, whose other fields are data.
 */
import { isNumber, isText, pick, plain, type Shape } from './plain.js'
import { fieldsOf, isFields, listOf, textOf, type Fields } from './values.js'

const LOCATION: Shape = { file: isText, line: isNumber, column: isNumber }
const ATTACHMENT: Shape = {
  path: isText,
  originalPath: isText,
  contentType: isText,
  body: (value) => isText(value) || value instanceof Uint8Array,
  bodyEncoding: isText,
  name: isText,
  width: isNumber,
  height: isNumber,
}
/** Vitest groups annotations by their type in an object, where every name of Object.prototype is taken. */
const ANNOTATION: Shape = { message: isText, type: (value) => typeof value === 'string' && !(value in {}) }
/** Fields of Vitest's own types of artifacts. */
const ARTIFACT: Shape = { type: isText, kind: isText, message: isText, retryIndex: isNumber, repeatIndex: isNumber }

/** `internal:annotation` holds an annotation. Reporters count on the attachments of Vitest's own types. */
export function rebuildArtifact(given: Fields): Fields {
  const type = textOf(given.type, "an artifact's type")
  const { annotation, attachments, location, ...others } = given
  const isInternal = type.startsWith('internal:')
  return {
    ...(isInternal ? {} : data(others, ARTIFACT)),
    ...pick(given, ARTIFACT),
    ...located(location),
    ...(type === 'internal:annotation' ? { annotation: rebuildAnnotation(fieldsOf(annotation, 'an annotation')) } : {}),
    ...(isInternal || attachments !== undefined ? { attachments: rebuildAttachments(attachments) } : {}),
  }
}

export function rebuildAnnotation(given: Fields): Fields {
  const { attachment, location } = given
  return {
    message: '',
    type: 'notice',
    ...pick(given, ANNOTATION),
    ...located(location),
    ...(isFields(attachment) ? { attachment: rebuildAttachment(attachment) } : {}),
  }
}

function rebuildAttachments(given: unknown): Fields[] {
  return listOf(given ?? [], "an artifact's attachments").map((one) =>
    rebuildAttachment(fieldsOf(one, 'an attachment')),
  )
}

function rebuildAttachment(given: Fields): Fields {
  return { ...data(given, ATTACHMENT), ...pick(given, ATTACHMENT) }
}

/** A place in a file: all of it or nothing. */
function located(given: unknown): { readonly location?: object } {
  const location = isFields(given) ? pick(given, LOCATION) : {}
  return Object.keys(location).length === Object.keys(LOCATION).length ? { location } : {}
}

/** The fields that are not in a shape, as data. */
function data(given: Fields, shape: Shape): object {
  return fieldsOf(
    plain(Object.fromEntries(Object.entries(given).filter(([key]) => !Object.hasOwn(shape, key)))),
    'data',
  )
}
