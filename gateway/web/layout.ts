import { createHash } from 'node:crypto'
import prettyMs from 'pretty-ms'
import { Html, html, type Part } from './html.ts'

const STYLE = [
  ':root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}',
  'body{max-width:64rem;margin:0 auto;padding:1rem}',
  'h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}',
  'table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}',
  'caption{text-align:left}',
  'th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8886}',
  'td,dd{overflow-wrap:anywhere}',
  'dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{font-weight:600}dd{margin:0}',
  'pre{overflow:auto;padding:.8rem;border:1px solid #8886;font-size:.85rem;tab-size:8}'
].join('')

const STYLE_DIGEST = createHash('sha256').update(STYLE).digest('base64')

/** Nothing on a page runs, is loaded, sent or framed, but its own style. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    `default-src 'none'; style-src 'sha256-${STYLE_DIGEST}'; ` +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'content-type': 'text/html; charset=utf-8',
  // What is shown was asked for with a token: no cache between may show it to others.
  'cache-control': 'no-store',
  'x-robots-tag': 'noindex'
}

/** A whole page. */
export function page(title: string, body: Html): string {
  const style = new Html(`<style>${STYLE}</style>`)
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width">${style}</head>
<body><main>${body}</main></body></html>
`.text
}

/** Names and what they stand for; without those that are empty. */
export function facts(rows: readonly (readonly [string, Part])[]): Html {
  const shown = rows.filter(([, value]) => value !== '')
  return html`<dl>${shown.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`
}

/** `heads` are the names of the columns. */
export function table(
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly Part[])[]
): Html {
  const head = heads.map((text) => html`<th scope="col">${text}</th>`)
  const body = rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>\n`)
  return html`<table><caption>${caption}</caption><thead><tr>${head}</tr></thead>
<tbody>${body}</tbody></table>`
}

const SYMBOLS: Readonly<Record<string, string>> = {
  succeeded: '✓',
  failed: '✗',
  errored: '!',
  cancelled: '–',
  skipped: '–',
  ignored: '–',
  running: '●',
  leased: '●'
}

/** A state as symbol and word: never by colour alone. */
export function stateMark(state: string): Html {
  return html`<span aria-hidden="true">${SYMBOLS[state] ?? '○'} </span>${state}`
}

/** As `agent jobs` shows it; '' where it is not known. */
export function timeText(ms: number | null): string {
  return ms === null ? '' : prettyMs(ms, { secondsDecimalDigits: 0 })
}
