package accesslog

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A timePart is a conversion of strftime or the text between two.
type timePart struct {
	text  string // if conv is 0
	conv  byte   // %d: 'd'
	flag  byte   // of glibc: one of _-0^#, or 0
	width int    // of glibc: the least number of characters
}

// maxTimeWidth bounds the width of a conversion.
const maxTimeWidth = 255

// composite conversions, in the C locale, which is lighttpd's.
var composite = map[byte]string{
	'c': "%a %b %e %H:%M:%S %Y",
	'D': "%m/%d/%y",
	'F': "%Y-%m-%d",
	'h': "%b",
	'r': "%I:%M:%S %p",
	'R': "%H:%M",
	'T': "%H:%M:%S",
	'x': "%m/%d/%y",
	'X': "%H:%M:%S",
}

// simple conversions.
const simple = "aAbBCdeGgHIjklmMpPsSuUVwWyYzZ"

// parseTime compiles a format of strftime(3). What glibc does not know stays text.
func parseTime(format string) ([]timePart, error) {
	var parts []timePart
	text := func(s string) {
		if n := len(parts); n > 0 && parts[n-1].conv == 0 {
			parts[n-1].text += s
		} else if s != "" {
			parts = append(parts, timePart{text: s})
		}
	}
	for {
		before, spec, found := strings.Cut(format, "%")
		text(before)
		if !found {
			return parts, nil
		}
		p, rest := parseConversion(spec)
		format = rest
		switch {
		case p.width > maxTimeWidth:
			return nil, fmt.Errorf("a width of %d is more than %d", p.width, maxTimeWidth)
		case p.conv == 'n':
			return nil, fmt.Errorf("a line of the log cannot hold the end of line of %%n")
		case p.conv == 't':
			text("\t")
		case p.conv == '%':
			text("%")
		case composite[p.conv] != "":
			sub, _ := parseTime(composite[p.conv]) // has none of the above
			parts = append(parts, sub...)
		case p.conv != 0 && strings.IndexByte(simple, p.conv) >= 0:
			parts = append(parts, p)
		default:
			text("%" + spec[:len(spec)-len(rest)])
		}
	}
}

// parseConversion splits s, what follows a "%", behind the conversion. Conv is 0
// if there is none.
func parseConversion(s string) (p timePart, rest string) {
	i := 0
	for ; i < len(s) && strings.IndexByte("_-0^#", s[i]) >= 0; i++ {
		p.flag = s[i]
	}
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		p.width = min(p.width*10+int(s[i]-'0'), maxTimeWidth+1)
	}
	if i < len(s) && (s[i] == 'E' || s[i] == 'O') { // as without, in the C locale
		i++
	}
	if i < len(s) {
		p.conv = s[i]
		i++
	}
	return p, s[i:]
}

// appendTime appends t in the field's format.
func (fd *field) appendTime(b []byte, t time.Time) []byte {
	for i := range fd.time {
		b = fd.time[i].append(b, t)
	}
	return b
}

func (p *timePart) append(b []byte, t time.Time) []byte {
	if p.conv == 0 {
		return append(b, p.text...)
	}
	if s, ok := p.name(t); ok {
		for n := p.width - len(s); n > 0; n-- {
			b = append(b, p.padding(' '))
		}
		return p.appendCase(b, s)
	}
	n, pad, width := p.number(t)
	if p.conv == 'z' {
		sign := byte('+')
		if n < 0 {
			sign, n = '-', -n
		}
		b = append(b, sign)
	}
	if p.flag == '-' {
		width = 0
	}
	return appendPadded(b, n, p.padding(pad), max(width, p.width))
}

// padding returns what fills a part up to its width if that is pad without a flag.
func (p *timePart) padding(pad byte) byte {
	switch p.flag {
	case '_':
		return ' '
	case '0':
		return '0'
	}
	return pad
}

// appendCase appends s in upper or lower case if a flag says so.
func (p *timePart) appendCase(b []byte, s string) []byte {
	lower := p.conv == 'P' || p.flag == '#' && (p.conv == 'p' || p.conv == 'Z')
	upper := !lower && (p.flag == '^' || p.flag == '#')
	for i := range len(s) {
		c := s[i]
		switch {
		case upper && 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case lower && 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// name returns what a conversion to a name gives; ok is false for those to a
// number.
func (p *timePart) name(t time.Time) (s string, ok bool) {
	switch p.conv {
	case 'a':
		return t.Weekday().String()[:3], true
	case 'A':
		return t.Weekday().String(), true
	case 'b':
		return t.Month().String()[:3], true
	case 'B':
		return t.Month().String(), true
	case 'p', 'P':
		if t.Hour() < 12 {
			return "AM", true
		}
		return "PM", true
	case 'Z':
		zone, _ := t.Zone()
		return zone, true
	}
	return "", false
}

// number returns what a conversion to a number gives, and how it is padded.
func (p *timePart) number(t time.Time) (n int64, pad byte, width int) {
	hour12 := (t.Hour()+11)%12 + 1
	year, week := t.ISOWeek()
	switch p.conv {
	case 'C':
		return int64(t.Year() / 100), '0', 2
	case 'd':
		return int64(t.Day()), '0', 2
	case 'e':
		return int64(t.Day()), ' ', 2
	case 'G':
		return int64(year), '0', 1
	case 'g':
		return int64(year % 100), '0', 2
	case 'H':
		return int64(t.Hour()), '0', 2
	case 'I':
		return int64(hour12), '0', 2
	case 'j':
		return int64(t.YearDay()), '0', 3
	case 'k':
		return int64(t.Hour()), ' ', 2
	case 'l':
		return int64(hour12), ' ', 2
	case 'm':
		return int64(t.Month()), '0', 2
	case 'M':
		return int64(t.Minute()), '0', 2
	case 's':
		return t.Unix(), '0', 1
	case 'S':
		return int64(t.Second()), '0', 2
	case 'u': // Monday is 1
		return int64(t.Weekday()+6)%7 + 1, '0', 1
	case 'U': // of weeks from Sunday
		return int64(t.YearDay()+6-int(t.Weekday())) / 7, '0', 2
	case 'V':
		return int64(week), '0', 2
	case 'w':
		return int64(t.Weekday()), '0', 1
	case 'W': // of weeks from Monday
		return int64(t.YearDay()+6-int(t.Weekday()+6)%7) / 7, '0', 2
	case 'y':
		return int64(t.Year() % 100), '0', 2
	case 'Y':
		return int64(t.Year()), '0', 1
	default: // z: hours and minutes, 4 digits
		_, offset := t.Zone()
		minutes := offset / 60
		return int64(minutes/60*100 + minutes%60), '0', 4
	}
}

// appendPadded appends n with at least width characters.
func appendPadded(b []byte, n int64, pad byte, width int) []byte {
	var buf [20]byte
	digits := strconv.AppendInt(buf[:0], n, 10)
	for i := len(digits); i < width; i++ {
		b = append(b, pad)
	}
	return append(b, digits...)
}
