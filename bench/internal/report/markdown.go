package report

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes the report. Reading says above the tables how they are to be
// read.
func (r *Report) Markdown(w io.Writer, reading string) error {
	var b strings.Builder
	b.WriteString("# Results\n\n")
	b.WriteString("Written by `bench/run`; do not edit.\n\n")
	b.WriteString("| | |\n|---|---|\n")
	for _, f := range r.Facts {
		fmt.Fprintf(&b, "| %s | %s |\n", f.Name, cell(f.Value))
	}
	for _, s := range r.Servers {
		fmt.Fprintf(&b, "| %s | %s |\n", s.Name, cell(s.Version))
	}
	b.WriteString("\n" + strings.TrimSpace(reading) + "\n")

	b.WriteString("\n## Medians (lowest–highest)\n\n")
	header := []string{"scenario", "unit"}
	for _, s := range r.Servers {
		header = append(header, s.Name)
	}
	writeHeader(&b, header)
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "| %s | %s |", row.Title, row.Unit)
		for _, c := range row.Cells {
			fmt.Fprintf(&b, " %s |", cell(c.String()))
		}
		b.WriteString("\n")
	}
	for i, s := range r.Servers {
		if s.Subject {
			r.writeRatios(&b, i)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeRatios writes how one server compares with all others.
func (r *Report) writeRatios(b *strings.Builder, subject int) {
	name := r.Servers[subject].Name
	fmt.Fprintf(b, "\n## %s: how many times as good as\n\n", name)
	header := []string{"scenario"}
	for i, s := range r.Servers {
		if i != subject {
			header = append(header, s.Name)
		}
	}
	writeHeader(b, append(header, "target", "met"))
	for i := range r.Rows {
		row := &r.Rows[i]
		fmt.Fprintf(b, "| %s |", row.Title)
		for j, c := range row.Cells {
			if j == subject {
				continue
			}
			ratio := "–"
			if v := row.Better(row.Cells[subject], c); v > 0 {
				ratio = times(v)
			}
			fmt.Fprintf(b, " %s |", ratio)
		}
		verdict := ""
		if met, known := r.Met(row, subject); known && met {
			verdict = "yes"
		} else if known {
			verdict = "**no**"
		}
		fmt.Fprintf(b, " %s | %s |\n", row.Target.text(row.Unit), verdict)
	}
}

func writeHeader(b *strings.Builder, names []string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(names, " | "))
	fmt.Fprintf(b, "|%s\n", strings.Repeat("---|", len(names)))
}

// String returns the median and, if they differ, the extremes.
func (c Cell) String() string {
	if len(c.Values) == 0 {
		return c.Note
	}
	lowest, highest := c.Values[0], c.Values[0]
	for _, v := range c.Values {
		lowest, highest = min(lowest, v), max(highest, v)
	}
	s := number(Median(c.Values))
	if low, high := number(lowest), number(highest); low != high {
		s += " (" + low + "–" + high + ")"
	}
	if c.Note != "" {
		s += "; " + c.Note
	}
	return s
}

func (t Target) text(unit string) string {
	var parts []string
	for _, t := range t.Times {
		parts = append(parts, least(t.Least)+"× "+t.Server)
	}
	if t.AtMost > 0 {
		parts = append(parts, "at most "+least(t.AtMost)+" "+unit)
	}
	return strings.Join(parts, ", ")
}

// cell makes any text fit into a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\r", "", "\n", " ").Replace(s)
}
