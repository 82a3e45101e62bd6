package procfs_test

import (
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/bench/internal/procfs"
)

func TestParseStat(t *testing.T) {
	tests := []struct {
		name, in string
		want     procfs.Stat
		fails    bool
	}{
		{
			name: "a server",
			in:   "4711 (lighttpd) S 17 4711 4711 0 -1 4194560 1196 23 0 0 31 87 5 12 20 0 1 0 5012 9011200 1433 18446744073709551615 1 1 0 0\n",
			want: procfs.Stat{Parent: 17, Waited: 170 * time.Millisecond},
		},
		{
			name: "a command with spaces and parentheses",
			in:   "4712 (a) R 1 (b) S 18 4711 4711 0 -1 4194560 1196 23 0 0 31 87 0 0 20 0\n",
			want: procfs.Stat{Parent: 18},
		},
		{name: "empty", in: "", fails: true},
		{name: "not a number", in: "4711 (lighttpd) S p 4711 4711 0 -1 4194560 1196 23 0 0 31 87 5 12", fails: true},
		{name: "cut", in: "4711 (lighttpd) S 17 4711 4711 0 -1 4194560 1196 23 0 0 31 87 5", fails: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := procfs.ParseStat([]byte(tt.in))
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("ParseStat(%q): %+v, %v; want %+v, an error: %v", tt.in, got, err, tt.want, tt.fails)
			}
		})
	}
}

func TestParsePSS(t *testing.T) {
	tests := []struct {
		name, in string
		want     int64
		fails    bool
	}{
		{
			name: "a rollup",
			in: "557b48be8000-7ffc94b17000 ---p 00000000 00:00 0                          [rollup]\n" +
				"Rss:                1776 kB\nPss:                 221 kB\nPss_Dirty:           116 kB\n",
			want: 221 << 10,
		},
		{name: "none", in: "Rss:                1776 kB\nPss_Dirty:           116 kB\n", fails: true},
		{name: "another unit", in: "Pss: 3 MB\n", fails: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := procfs.ParsePSS([]byte(tt.in))
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("ParsePSS(%q): %d, %v; want %d, an error: %v", tt.in, got, err, tt.want, tt.fails)
			}
		})
	}
}

func TestParseTCPPages(t *testing.T) {
	tests := []struct {
		name, in string
		want     int64
		fails    bool
	}{
		{
			name: "a system",
			in: "sockets: used 41\nTCP: inuse 15 orphan 0 tw 64 alloc 15 mem 176\n" +
				"UDP: inuse 0 mem 7\nFRAG: inuse 0 memory 0\n",
			want: 176,
		},
		{name: "no TCP", in: "sockets: used 41\nUDP: inuse 0 mem 7\n", fails: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := procfs.ParseTCPPages([]byte(tt.in))
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("ParseTCPPages(%q): %d, %v; want %d, an error: %v", tt.in, got, err, tt.want, tt.fails)
			}
		})
	}
}
