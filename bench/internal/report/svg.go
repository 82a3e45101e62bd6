package report

import (
	"errors"
	"fmt"
	"html"
	"io"
	"math"
	"strings"
)

// Sizes of the chart, in its own units. A label has about 7 per character.
const (
	chartWidth  = 800
	labelWidth  = 345
	valueWidth  = 60 // at the right, for the number behind the longest bar
	barHeight   = 16
	rowHeight   = 26
	chartTop    = 64
	chartBottom = 30
)

// The chart follows the colour scheme of the reader, also as an image in a page.
const chartStyle = `
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 15px; font-weight: 600; }
.axis { fill: #59636e; font-size: 12px; }
.grid { stroke: #d1d9e0; }
.even { stroke: #59636e; stroke-width: 1.5; }
.better { fill: #1a7f37; }
.worse { fill: #bc4c00; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; }
.axis { fill: #9198a1; }
.grid { stroke: #3d444d; }
.even { stroke: #9198a1; }
.better { fill: #3fb950; }
.worse { fill: #f0883e; }
}
`

// SVG draws, for each row that both servers have, how many times as good as peer
// the subject is: a bar to the right of the line at 1 is better. The scale is
// logarithmic. It is an error if there is no such row.
func (r *Report) SVG(w io.Writer, subject, peer string) error {
	s, p := r.index(subject), r.index(peer)
	if s < 0 || p < 0 {
		return fmt.Errorf("no results of %s and %s to draw", subject, peer)
	}
	type bar struct {
		title string
		ratio float64
	}
	var bars []bar
	lowest, highest := 1.0, 2.0
	for i := range r.Rows {
		row := &r.Rows[i]
		if ratio := row.Better(row.Cells[s], row.Cells[p]); ratio > 0 {
			bars = append(bars, bar{row.Title, ratio})
			lowest, highest = min(lowest, ratio), max(highest, ratio)
		}
	}
	if len(bars) == 0 {
		return errors.New("no row with both results to draw")
	}
	// The axis runs from one power of two to another.
	from, to := math.Floor(math.Log2(lowest)), math.Ceil(math.Log2(highest))
	x := func(ratio float64) float64 {
		share := (math.Log2(ratio) - from) / (to - from)
		return labelWidth + share*(chartWidth-labelWidth-valueWidth)
	}
	height := chartTop + len(bars)*rowHeight + chartBottom
	axis := chartTop + len(bars)*rowHeight

	var b strings.Builder
	title := html.EscapeString(fmt.Sprintf("%s: how many times as good as %s", subject, peer))
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n",
		chartWidth, height, chartWidth, height, title)
	fmt.Fprintf(&b, "<style>%s</style>\n", chartStyle)
	fmt.Fprintf(&b, `<text class="title" x="12" y="24">%s</text>`+"\n", title)
	fmt.Fprintf(&b, `<text class="axis" x="12" y="44">%s</text>`+"\n", html.EscapeString("per CPU second of the server, or memory, or latency; right of 1× is better; logarithmic"))
	for e := from; e <= to; e++ {
		class, ratio := "grid", math.Pow(2, e)
		if e == 0 {
			class = "even"
		}
		fmt.Fprintf(&b, `<line class="%s" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`+"\n", class, x(ratio), chartTop-6, x(ratio), axis)
		fmt.Fprintf(&b, `<text class="axis" x="%.1f" y="%d" text-anchor="middle">%s×</text>`+"\n", x(ratio), axis+18, least(ratio))
	}
	for i, bar := range bars {
		y := chartTop + i*rowHeight
		left, right := x(min(bar.ratio, 1)), x(max(bar.ratio, 1))
		class := "better"
		if bar.ratio < 1 {
			class = "worse"
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labelWidth-12, y+barHeight-3, html.EscapeString(bar.title))
		fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d" rx="2"/>`+"\n", class, left, y, max(right-left, 1), barHeight)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s×</text>`+"\n", right+6, y+barHeight-3, times(bar.ratio))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}
