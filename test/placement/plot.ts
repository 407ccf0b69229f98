/** One line of a plot: shares between 0 and 1 at equal distances. */
export interface PlotLine {
  readonly name: string
  readonly colour: string
  readonly shares: readonly number[]
}

const WIDTH = 760
const HEIGHT = 300
const LEFT = 56
const RIGHT = 20
const TOP = 44
const BOTTOM = 46

/** A plot of shares over minutes as SVG, readable on light and on dark ground. */
export function plotOf(
  title: string,
  lines: readonly PlotLine[],
  { everyMs }: { readonly everyMs: number }
): string {
  const count = Math.max(...lines.map(({ shares }) => shares.length))
  const minutes = (count * everyMs) / 60_000
  const x = (minute: number): number => LEFT + (minute / minutes) * (WIDTH - LEFT - RIGHT)
  const y = (share: number): number => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = y(share).toFixed(1)
    const label = text(LEFT - 8, y(share) + 4, `${share * 100} %`, 'end')
    return `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#8886"/>${label}`
  })
  const ticks = Array.from({ length: Math.floor(minutes / 5) + 1 }, (_, index) => index * 5)
  const marks = ticks.map((minute) => text(x(minute), HEIGHT - BOTTOM + 18, `${minute}`, 'middle'))
  const drawn = lines.map(({ name, colour, shares }, index) => {
    const points = shares.map((share, at) => {
      return `${x(((at + 0.5) * everyMs) / 60_000).toFixed(1)},${y(share).toFixed(1)}`
    })
    const key = LEFT + 8 + index * 250
    return [
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.join(' ')}"/>`,
      `<line x1="${key}" x2="${key + 22}" y1="32" y2="32" stroke="${colour}" stroke-width="3"/>`,
      text(key + 28, 36, name, 'start')
    ].join('\n')
  })
  const axis = text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, 'minutes', 'middle')
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">`,
    `<title>${title}</title>`,
    '<g font-family="sans-serif" font-size="12" fill="#888">',
    text(LEFT, 16, title, 'start'),
    ...grid,
    ...marks,
    axis,
    ...drawn,
    '</g>',
    '</svg>'
  ].join('\n')}\n`
}

function text(x: number, y: number, words: string, anchor: string): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${words}</text>`
}
