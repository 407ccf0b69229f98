import { Composer, type Document, Lexer, type ParsedNode, Parser, type YAMLError } from 'yaml'
import {
  PIPELINE_BYTES_MAX,
  PIPELINE_DEPTH_MAX,
  PIPELINE_PROBLEMS_MAX,
  PIPELINE_TOKENS_MAX
} from '../core/limits.ts'
import { Lines } from './lines.ts'
import type { Problem } from './problem.ts'
import { pathAt, type Reading, readTree } from './tree.ts'

/** Bytes of a file to a YAML 1.2 tree of plain values; never throws. */
export function readDocument(bytes: Uint8Array): Reading {
  if (bytes.length > PIPELINE_BYTES_MAX) {
    return top(`the file has ${bytes.length} bytes, at most ${PIPELINE_BYTES_MAX} are allowed`)
  }
  const text = decode(bytes)
  if (typeof text !== 'string') return text
  const lines = new Lines(text)
  const control = CONTROL.exec(text)
  if (control !== null) {
    const code = control[0].charCodeAt(0).toString(16).padStart(2, '0')
    return fail(lines.at(control.index), `control character 0x${code}: remove it`)
  }
  const tokens = tokenize(text, lines)
  if (!Array.isArray(tokens)) return tokens
  return compose(tokens, lines, text.length)
}

// YAML allows none of them, and the lexer marks its own tokens with some.
const CONTROL = /(?![\t\n\r])\p{Cc}/u

function decode(bytes: Uint8Array): string | Reading {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return problem(firstBrokenLine(bytes), 'the file is not UTF-8: save it as UTF-8')
  }
}

// No byte of a longer character is a line feed, so that lines can be tried one by one.
function firstBrokenLine(bytes: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let from = 0
  for (let line = 1; ; line += 1) {
    const end = bytes.indexOf(0x0a, from)
    try {
      decoder.decode(bytes.subarray(from, end < 0 ? bytes.length : end))
    } catch {
      return line
    }
    if (end < 0) return line
    from = end + 1
  }
}

type Token = Parameters<Composer['next']>[0]

/**
 * The parser's tokens, as long as they stay within the limits. The composer after it recurses: on a
 * file of nothing but `[` it runs out of stack inside a regular expression, which ends the process
 * and cannot be caught. So the depth is watched here, where the parser keeps its own stack.
 */
function tokenize(text: string, lines: Lines): Token[] | Reading {
  const parser = new Parser()
  const tokens: Token[] = []
  let count = 0
  for (const lexeme of new Lexer().lex(text)) {
    const { offset } = parser
    count += 1
    if (count > PIPELINE_TOKENS_MAX) {
      const limit = `over ${PIPELINE_TOKENS_MAX} tokens`
      return fail(
        lines.at(offset),
        `the file has ${limit}: move long scripts into files of the repository`
      )
    }
    for (const token of parser.next(lexeme)) tokens.push(token)
    if (parser.stack.length > PIPELINE_DEPTH_MAX) {
      const limit = `${PIPELINE_DEPTH_MAX} levels`
      return fail(lines.at(offset), `nested deeper than ${limit}: no valid key is so deep`)
    }
    // Directives could switch to YAML 1.1, where `on` is true and 1:30 a number.
    if (tokens.at(-1)?.type === 'directive') {
      return fail(lines.at(offset), 'a pipeline file has no % directives: remove the line')
    }
  }
  for (const token of parser.end()) tokens.push(token)
  return tokens
}

function compose(tokens: readonly Token[], lines: Lines, end: number): Reading {
  // Keys are checked in the tree: the composer compares each with each, which is quadratic.
  const composer = new Composer({ version: '1.2', schema: 'core', uniqueKeys: false })
  const documents = [...composer.compose(tokens, true, end)]
  const [document, second] = documents
  if (document === undefined) return top(EMPTY)
  const faults = [...document.errors, ...document.warnings].slice(0, PIPELINE_PROBLEMS_MAX)
  if (faults.length > 0) {
    const problems = faults.map((fault) => faultProblem(fault, document, lines))
    return { kind: 'problems', problems }
  }
  if (second !== undefined) {
    const place = lines.at(second.range[0])
    return fail(place, 'the file holds several documents: keep one, without `---` between')
  }
  if (document.contents === null) return top(EMPTY)
  return readTree(document.contents, lines)
}

const FAULT_CHARACTERS_MAX = 200
const EMPTY = 'the file is empty: it needs `jobs` with at least one job'

function faultProblem(
  fault: YAMLError,
  document: Document.Parsed<ParsedNode>,
  lines: Lines
): Problem {
  const [offset] = fault.pos
  const path = document.contents === null ? [] : pathAt(document.contents, offset)
  return { place: lines.at(offset), path, text: `not valid YAML: ${faultText(fault)}` }
}

/** What people meet most, in our words; the parser's own words for the rest. */
const FAULTS: Partial<Record<YAMLError['code'], string>> = {
  BAD_COLLECTION_TYPE: 'this tag is not known: remove it',
  MULTILINE_IMPLICIT_KEY: 'a key must be on one line: is a `:` or a quote missing?',
  TAB_AS_INDENT: 'indentation by a tab: use spaces',
  TAG_RESOLVE_FAILED: 'this tag is not known, or its value does not fit it: remove it'
}

function faultText(fault: YAMLError): string {
  const text = FAULTS[fault.code] ?? `${fault.message.replaceAll(/\s+/g, ' ')}: fix this line`
  return text.slice(0, FAULT_CHARACTERS_MAX)
}

function top(text: string): Reading {
  return problem(1, text)
}

function problem(line: number, text: string): Reading {
  return fail({ line, column: 1 }, text)
}

function fail(place: Problem['place'], text: string): Reading {
  return { kind: 'problems', problems: [{ place, path: [], text }] }
}
